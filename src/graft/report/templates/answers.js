(() => {
  "use strict";
  const list = document.getElementById("questions");
  if (!list) return;
  const items = Array.from(list.children);
  const buttons = Array.from(document.querySelectorAll("button[data-filter]"));
  const count = document.getElementById("shown");
  const arms = document.getElementById("filter-arm");
  const flags = new Map(items.map((item) => [item, item.dataset.is.split(" ")]));
  let chosen = "all";

  const passes = (item, filter) => {
    if (filter === "all") return true;
    const arm = filter !== "disagree" && arms && arms.value;
    return flags.get(item).includes(arm ? `${filter}-${arm}` : filter);
  };
  const visible = () => items.filter((item) => !item.hidden);
  const apply = () => {
    for (const item of items) item.hidden = !passes(item, chosen);
    for (const button of buttons) {
      const name = button.dataset.filter;
      button.setAttribute("aria-pressed", String(name === chosen));
      button.querySelector("span").textContent = items.filter((item) => passes(item, name)).length;
    }
    const left = visible().length;
    count.textContent = left === 1 ? "1 question" : `${left} questions`;
    document.getElementById("none").hidden = left > 0;
  };
  for (const button of buttons) {
    button.addEventListener("click", () => { chosen = button.dataset.filter; apply(); });
  }
  if (arms) arms.addEventListener("change", apply);

  // Notes stay in this browser until they are saved as a file.
  const data = JSON.parse(document.getElementById("comparison").textContent);
  const shelf = `graft-notes ${data.created} ${data.base_model} ${items.length}`;
  const notes = new Map();
  try {
    for (const [id, note] of JSON.parse(localStorage.getItem(shelf) || "[]")) notes.set(id, note);
  } catch { /* a browser without storage: notes last as long as the page */ }
  const save = document.getElementById("save");
  const told = () => {
    save.hidden = notes.size === 0;
    save.textContent = notes.size === 1 ? "save 1 note" : `save ${notes.size} notes`;
    try { localStorage.setItem(shelf, JSON.stringify([...notes])); } catch { /* as above */ }
  };
  const field = (item) => {
    let area = item.querySelector("textarea");
    if (area) return area;
    const label = document.createElement("label");
    label.className = "note-field";
    area = document.createElement("textarea");
    area.rows = 2;
    area.value = notes.get(item.dataset.id) || "";
    area.addEventListener("input", () => {
      if (area.value.trim()) notes.set(item.dataset.id, area.value);
      else notes.delete(item.dataset.id);
      told();
    });
    label.append("Note", area);
    item.append(label);
    return area;
  };
  for (const item of items) {
    if (notes.has(item.dataset.id)) { field(item); continue; }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "add-note";
    button.textContent = "add a note";
    button.addEventListener("click", () => { field(item).focus(); button.remove(); });
    item.append(button);
  }
  told();
  save.addEventListener("click", () => {
    const lines = items.filter((item) => notes.has(item.dataset.id)).map((item) => JSON.stringify({
      question_id: item.dataset.id,
      question: item.querySelector("h3").textContent,
      note: notes.get(item.dataset.id).trim(),
    }) + "\n");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
    link.download = "notes.jsonl";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });

  const held = () => document.activeElement && document.activeElement.closest(".question");
  const move = (step) => {
    const shown = visible();
    if (!shown.length) return;
    const place = shown.indexOf(held());
    const next = place < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, place + step));
    shown[next].focus({ preventScroll: true });
    shown[next].scrollIntoView({ block: "start" });
  };
  const note = () => {
    const item = held();
    if (!item) return;
    const button = item.querySelector(".add-note");
    if (button) button.remove();
    field(item).focus();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("textarea, select, input");
    if (typing && event.key === "Escape") typing.closest(".question")?.focus();
    if (typing) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "n" && held()) note();
    else return;
    event.preventDefault();
  });

  // A passage stands once in the page; where a question shows it, its support is marked.
  const marked = (text, marks) => {
    const paragraph = document.createElement("p");
    const signs = Array.from(text);
    let last = 0;
    for (const span of marks ? marks.split(" ") : []) {
      const [start, end] = span.split("-").map(Number);
      const mark = document.createElement("mark");
      mark.textContent = signs.slice(start, end).join("");
      paragraph.append(signs.slice(last, start).join(""), mark);
      last = end;
    }
    paragraph.append(signs.slice(last).join(""));
    return paragraph;
  };
  list.addEventListener("toggle", (event) => {
    for (const link of event.target.querySelectorAll("li:not([data-filled]) a[href^='#p']")) {
      const item = link.closest("li");
      const text = document.getElementById(link.hash.slice(1)).textContent;
      item.append(marked(text, item.dataset.marks));
      item.dataset.filled = "";
    }
  }, true);

  document.getElementById("filters").hidden = false;
  apply();
})();

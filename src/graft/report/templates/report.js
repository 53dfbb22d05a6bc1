(() => {
  "use strict";
  const list = document.getElementById("questions");
  if (!list) return;
  const items = Array.from(list.children);
  const buttons = Array.from(document.querySelectorAll("button[data-filter]"));
  const count = document.getElementById("shown");

  const visible = () => items.filter((item) => !item.hidden);
  const apply = (filter) => {
    for (const item of items) {
      item.hidden = filter !== "all" && !item.dataset.is.split(" ").includes(filter);
    }
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
    }
    const left = visible().length;
    count.textContent = left === 1 ? "1 question" : `${left} questions`;
    document.getElementById("none").hidden = left > 0;
  };
  for (const button of buttons) {
    button.addEventListener("click", () => apply(button.dataset.filter));
  }

  const move = (step) => {
    const shown = visible();
    if (!shown.length) return;
    const held = document.activeElement && document.activeElement.closest(".question");
    const place = shown.indexOf(held);
    const next = place < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, place + step));
    shown[next].focus({ preventScroll: true });
    shown[next].scrollIntoView({ block: "start" });
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else return;
    event.preventDefault();
  });

  list.addEventListener("toggle", (event) => {
    for (const link of event.target.querySelectorAll("li:not([data-filled]) a[href^='#p']")) {
      const item = link.closest("li");
      const text = document.createElement("p");
      text.textContent = document.getElementById(link.hash.slice(1)).textContent;
      item.append(text);
      item.dataset.filled = "";
    }
  }, true);

  document.getElementById("filters").hidden = false;
  apply("all");
})();

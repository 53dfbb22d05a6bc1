(() => {
  "use strict";
  // A first press puts the best first (the largest where neither is better), a second one
  // turns the order round, a third one restores the order of the page.
  const key = (row, place) => {
    const cell = row.children[place];
    if (!cell) return null;
    if (place === 0) return cell.firstChild.textContent.trim().toLowerCase();
    return cell.dataset.sort === undefined ? null : Number(cell.dataset.sort);
  };
  const arrange = (table, first, place, turned) => {
    table.querySelectorAll("tbody").forEach((body, number) => {
      const rows = first[number].slice();
      if (place !== null) {
        rows.sort((one, other) => {
          const [a, b] = [key(one, place), key(other, place)];
          if (a === null || b === null) return (a === null) - (b === null);
          const order = typeof a === "string" ? a.localeCompare(b) : a - b;
          return turned ? -order : order;
        });
      }
      body.append(...rows);
    });
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = Array.from(table.querySelectorAll("thead th"));
    const first = Array.from(table.querySelectorAll("tbody"), (body) => Array.from(body.rows));
    if (first.every((rows) => rows.length < 2)) continue;
    const choice = document.createElement("select");
    const set = (place, turned) => {
      arrange(table, first, place, turned);
      heads.forEach((head, number) => {
        if (number === place) head.setAttribute("aria-sort", turned ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      choice.value = place === null ? "" : String(place);
    };
    const best = (place) => place > 0 && heads[place].dataset.better !== "lower";
    choice.append(new Option("as measured", ""));
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      choice.append(new Option(head.textContent.trim(), String(place)));
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const now = head.getAttribute("aria-sort");
        const turned = now === "descending";
        if (now === null) set(place, best(place));
        else if (turned === best(place)) set(place, !turned);
        else set(null, false);
      });
    });
    choice.addEventListener("change", () => {
      const place = choice.value === "" ? null : Number(choice.value);
      set(place, place !== null && best(place));
    });
    const label = document.createElement("label");
    label.className = "sort-by";
    label.append("sort by ", choice);
    table.before(label);
  }
})();

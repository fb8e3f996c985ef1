// Keys: / search, j and k through hits or rows, Enter opens, ? help. The page works without this.
"use strict";

const rows = [...document.querySelectorAll("[data-row]")];
const box = document.querySelector("[data-search]");
const help = document.getElementById("help");
let place = -1;

function choose(next) {
  if (!rows.length) return;
  rows[place]?.classList.remove("chosen");
  place = Math.max(0, Math.min(next, rows.length - 1));
  rows[place].classList.add("chosen");
  rows[place].querySelector("[data-open]").focus({ preventScroll: true });
  rows[place].scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const typing = event.target.closest("input, select, textarea");
  if (typing) {
    if (event.key === "Escape") typing.blur();
    return;
  }
  const act = {
    "/": () => (box ? box.select() : location.assign("/search")),
    j: () => choose(place + 1),
    k: () => choose(place - 1),
    "?": () => help.showModal(),
  }[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});

document.querySelector("[data-help]").addEventListener("click", () => help.showModal());
help.addEventListener("click", (event) => event.target === help && help.close());

// A long passage is folded; a click, or choosing it, shows all of it.
for (const passage of document.querySelectorAll("[data-passage]")) {
  if (passage.scrollHeight <= passage.clientHeight + 8) continue;
  const more = document.createElement("button");
  more.type = "button";
  more.className = "unfold";
  more.textContent = "Show all";
  more.addEventListener("click", () => {
    passage.classList.add("unfolded");
    more.remove();
  });
  passage.classList.add("folded");
  passage.after(more);
}

if (location.pathname === "/" || (location.pathname === "/search" && box && !box.value)) box?.focus();
document.documentElement.dataset.ready = "";

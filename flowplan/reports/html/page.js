"use strict";
(() => {
  const tools = document.getElementById("tools");
  if (tools) {
    const find = document.getElementById("find");
    const found = document.getElementById("found");
    const groups = [...document.querySelectorAll("details.group")];
    const cards = [...document.querySelectorAll("details.card")];
    const all = cards.reduce((sum, card) => sum + Number(card.dataset.count), 0);
    const kinds = [...tools.querySelectorAll("input[type=checkbox]")];
    const folded = new Map(groups.map((group) => [group, group.open]));

    const show = () => {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      const left_out = new Set(kinds.filter((kind) => !kind.checked).map((kind) => kind.value));
      let shown = 0;
      for (const group of groups) {
        let any = 0;
        for (const card of group.querySelectorAll("details.card")) {
          const fits = !left_out.has(group.dataset.kind) && words.every((word) => card.dataset.words.includes(word));
          card.hidden = !fits;
          any += fits ? Number(card.dataset.count) : 0;
        }
        group.hidden = !any;
        group.open = words.length ? any > 0 : folded.get(group);
        shown += any;
      }
      found.textContent = `${shown.toLocaleString("en")} of ${all.toLocaleString("en")} shown`;
    };
    const each = (open) => {
      for (const one of [...groups, ...cards]) if (!one.hidden) one.open = open;
      for (const group of groups) folded.set(group, group.open);
    };

    find.addEventListener("input", show);
    for (const kind of kinds) kind.addEventListener("change", show);
    document.getElementById("open").addEventListener("click", () => each(true));
    document.getElementById("close").addEventListener("click", () => each(false));
    tools.hidden = false;
    show();
  }

  const reveal = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let one = target; one; one = one.parentElement) {
      one.hidden = false;
      if (one.tagName === "DETAILS") one.open = true;
    }
    target.scrollIntoView();
    if (target.tagName === "SECTION") return;
    const focused = target.tagName === "DETAILS" ? target.firstElementChild : target;
    if (focused === target) target.tabIndex = -1;
    focused.focus();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const one of closed) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
  });
})();

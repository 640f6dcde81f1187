// What the theme leaves undone for readers with a keyboard or a screen reader.
"use strict";

// A box that scrolls sideways can be reached with the tab key, and then be scrolled with the arrows.
function reachScrollingBoxes() {
  const boxes = '.bd-article :is(mjx-container, div.math, pre, figure, .pst-scrollable-table-container)';
  for (const box of document.querySelectorAll(boxes)) {
    const scrolls = box.scrollWidth > box.clientWidth && /auto|scroll/.test(getComputedStyle(box).overflowX);
    if (scrolls) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
  }
}

// The name of a button or of a folded cell contains the words that are written on it, so that it can be called by them.
function nameButtons() {
  for (const button of document.querySelectorAll(":is(button, summary)[aria-label]")) {
    const icons = [...button.querySelectorAll("i[title], svg title")].map(icon => icon.title || icon.textContent);
    const written = (button.innerText.trim() ? [button.innerText] : icons).join(", ").replace(/\s+/g, " ").trim();
    const name = button.getAttribute("aria-label");
    if (written && !name.toLowerCase().includes(written.toLowerCase()))
      button.setAttribute("aria-label", written.toLowerCase().includes(name.toLowerCase()) ? written : name + ": " + written);
  }
}

// The bibliography calls itself a list of things that are not items of a list.
function plainBibliography() {
  for (const list of document.querySelectorAll(".citation-list[role=list]")) list.removeAttribute("role");
}

window.addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  reachScrollingBoxes();
  nameButtons();
  plainBibliography();
  window.addEventListener("resize", reachScrollingBoxes);
});

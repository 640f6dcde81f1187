// What the theme leaves undone for readers with a keyboard or a screen reader.
"use strict";

// A box that scrolls sideways can be reached with the tab key, and then be scrolled with the arrows.
const BOXES = ".bd-article :is(mjx-container, div.math, pre, figure, .pst-scrollable-table-container)";

function reachScrollingBoxes() {
  for (const box of document.querySelectorAll(BOXES)) {
    showMore(box);
    const scrolls = box.scrollWidth > box.clientWidth && /auto|scroll/.test(getComputedStyle(box).overflowX);
    if (scrolls) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.removeAttribute("tabindex");
  }
}

// Where there is more to the right, the style sheet lets the picture or the table fade out at that edge.
function showMore(box) {
  const seen = box.scrollLeft + box.clientWidth;
  box.toggleAttribute("data-more", seen < box.scrollWidth - 1 && /auto|scroll/.test(getComputedStyle(box).overflowX));
  box.style.setProperty("--seen", seen + "px");
}

// A comma or a full stop does not begin a line because a formula ends before it.
function keepSignsWithFormulas() {
  for (const formula of document.querySelectorAll('.bd-article mjx-container:not([display="true"])')) {
    const math = formula.closest("span.math") || formula;
    const after = math.nextSibling;
    const signs = after?.nodeType === Node.TEXT_NODE && after.data.match(/^[.,;:!?)\]’”]+/);
    if (!signs) continue;
    const unit = document.createElement("span");
    unit.style.whiteSpace = "nowrap";
    after.data = after.data.slice(signs[0].length);
    math.replaceWith(unit);
    unit.append(math, signs[0]);
  }
}

// In tables a name of a file breaks after a stroke rather than within a word.
function breakNames() {
  for (const name of document.querySelectorAll(".bd-article td code span.pre")) {
    if (name.children.length) continue;
    const parts = name.textContent.split(/(?<=[/_])(?=[^/_])/);
    name.replaceChildren(...parts.flatMap(part => [part, document.createElement("wbr")]).slice(0, -1));
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
  keepSignsWithFormulas();
  breakNames();
  reachScrollingBoxes();
  nameButtons();
  plainBibliography();
  window.addEventListener("resize", reachScrollingBoxes);
  document.addEventListener("scroll", event => event.target.matches?.(BOXES) && showMore(event.target),
                            { capture: true, passive: true });
});

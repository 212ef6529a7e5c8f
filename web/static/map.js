// The title of the point under the pointer, at once; without this the browser shows it after a while.
const map = document.querySelector(".map");
const tip = document.getElementById("tip");
let focused = null; // the circle that the keyboard has reached

const tell = (circle) => {
  tip.textContent = circle?.dataset.title ?? "";
  if (!tip.textContent) return;
  const frame = map.getBoundingClientRect();
  const point = circle.getBoundingClientRect();
  const middle = point.left + point.width / 2 - frame.left;
  const half = tip.offsetWidth / 2;
  tip.style.left = `${Math.min(Math.max(middle, half), frame.width - half)}px`;
  tip.style.top = `${point.top - frame.top}px`;
};
for (const title of map ? map.querySelectorAll("title") : []) {
  const circle = title.parentElement;
  circle.parentElement.setAttribute("aria-label", title.textContent);
  circle.dataset.title = title.textContent;
  title.remove();
}
if (map) {
  map.addEventListener("pointerover", (event) => tell(event.target.dataset.title ? event.target : focused));
  map.addEventListener("pointerleave", () => tell(focused));
}

// Zoom by buttons and by the wheel, and move by dragging; without this, the whole map is shown.
const sheet = map?.querySelector("svg[data-zoom]");
if (sheet) {
  const whole = sheet.viewBox.baseVal;
  const [left, top, width, height] = [whole.x, whole.y, whole.width, whole.height];
  const circles = [...sheet.querySelectorAll("a circle")];
  const radii = new Map(circles.map((one) => [one, one.r.baseVal.value]));
  const ring = sheet.querySelector(".ring");
  let zoom = 1;
  let centre = { x: left + width / 2, y: top + height / 2 };

  // On top of all points: a point's own outline may lie under its neighbours.
  const mark = () => {
    const pixel = width / zoom / sheet.getBoundingClientRect().width;
    ring.style.display = focused ? "inline" : "none";
    for (const circle of focused ? ring.children : []) {
      circle.cx.baseVal.value = focused.cx.baseVal.value;
      circle.cy.baseVal.value = focused.cy.baseVal.value;
      circle.r.baseVal.value = focused.r.baseVal.value + 5 * pixel;
    }
    tell(focused);
  };
  const within = (value, low, size) => Math.min(Math.max(value, low + size / 2), low + size * zoom - size / 2);
  const show = () => {
    const [across, down] = [width / zoom, height / zoom];
    centre = { x: within(centre.x, left, across), y: within(centre.y, top, down) };
    sheet.setAttribute("viewBox", `${centre.x - across / 2} ${centre.y - down / 2} ${across} ${down}`);
    sheet.dataset.zoom = zoom >= 4 ? "4" : zoom >= 2 ? "2" : "1";
    sheet.style.setProperty("--zoom", zoom);
    for (const [circle, radius] of radii) circle.r.baseVal.value = radius / Math.sqrt(zoom);
    mark();
  };
  const place = (event) => {
    const frame = sheet.getBoundingClientRect();
    return {
      x: centre.x + ((event.clientX - frame.left) / frame.width - 0.5) * (width / zoom),
      y: centre.y + ((event.clientY - frame.top) / frame.height - 0.5) * (height / zoom),
    };
  };
  const zoomBy = (factor, around = centre) => {
    const before = zoom;
    zoom = factor ? Math.min(Math.max(zoom * factor, 1), 12) : 1;
    const share = before / zoom;
    centre = { x: around.x + (centre.x - around.x) * share, y: around.y + (centre.y - around.y) * share };
    show();
  };
  const buttons = map.querySelector(".zoom");
  buttons.hidden = false;
  buttons.addEventListener("click", (event) => {
    const by = event.target.dataset?.by;
    if (by !== undefined) zoomBy(Number(by));
  });
  sheet.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1.25 : 0.8, place(event));
  }, { passive: false });

  let held = null;
  let moved = false;
  sheet.addEventListener("pointerdown", (event) => { held = place(event); moved = false; });
  window.addEventListener("pointerup", () => { held = null; });
  sheet.addEventListener("pointermove", (event) => {
    if (!held || zoom === 1) return;
    const now = place(event);
    moved ||= Math.hypot(now.x - held.x, now.y - held.y) * zoom > 6;
    centre = { x: centre.x + held.x - now.x, y: centre.y + held.y - now.y };
    show();
  });
  sheet.addEventListener("click", (event) => { if (moved) event.preventDefault(); }, true);
  sheet.addEventListener("dragstart", (event) => event.preventDefault());

  // By keyboard: one tab stop, from which arrow keys go to the nearest point in the quarter of the
  // directions around theirs. Enter follows the link, as everywhere. Points in one place count as
  // side by side, or there would be no way from one to the other.
  const places = circles.map((one, k) => ({ x: one.cx.baseVal.value + k * 1e-6, y: one.cy.baseVal.value }));
  const nearest = (from, across, down) => {
    let found = from;
    let least = Infinity;
    places.forEach((to, k) => {
      const [x, y] = [to.x - places[from].x, to.y - places[from].y];
      const [along, aside] = [x * across + y * down, Math.abs(x * down - y * across)];
      const apart = Math.hypot(x, y);
      if (along > 0 && aside <= along && apart < least) [found, least] = [k, apart];
    });
    return found;
  };
  const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  const first = map.querySelector("circle.here") ?? map.querySelector("circle.lit") ?? circles[0];
  let stop = first?.parentElement;
  stop?.setAttribute("tabindex", "0");
  sheet.setAttribute("role", "application"); // else screen readers keep the arrow keys
  sheet.setAttribute("aria-describedby", "keys");
  sheet.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.key === "Escape") tell(null);
    const from = circles.indexOf(event.target.firstElementChild);
    if (from < 0 || !STEPS[event.key]) return;
    event.preventDefault();
    circles[nearest(from, ...STEPS[event.key])].parentElement.focus();
  });
  // on the figure: Chromium makes a drawing that listens for the focus a tab stop of its own
  map.addEventListener("focusin", (event) => {
    if (!sheet.contains(event.target)) return;
    stop.setAttribute("tabindex", "-1");
    stop = event.target;
    stop.setAttribute("tabindex", "0");
    if (!stop.matches(":focus-visible")) return; // by the pointer
    focused = stop.firstElementChild;
    const { x, y } = places[circles.indexOf(focused)];
    const margin = 0.45 / zoom; // a point in sight moves nothing
    if (Math.abs(x - centre.x) > width * margin || Math.abs(y - centre.y) > height * margin) centre = { x, y };
    show();
  });
  map.addEventListener("focusout", () => { focused = null; mark(); });
}

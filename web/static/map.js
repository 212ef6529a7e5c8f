// The title of the point under the pointer, at once; without this the browser shows it after a while.
const map = document.querySelector(".map");
const tip = document.getElementById("tip");

for (const title of map ? map.querySelectorAll("title") : []) {
  const circle = title.parentElement;
  circle.parentElement.setAttribute("aria-label", title.textContent);
  circle.dataset.title = title.textContent;
  title.remove();
}
if (map) {
  map.addEventListener("pointerover", (event) => {
    const words = event.target.dataset.title;
    tip.textContent = words ?? "";
    if (!words) return;
    const frame = map.getBoundingClientRect();
    const point = event.target.getBoundingClientRect();
    const middle = point.left + point.width / 2 - frame.left;
    const half = tip.offsetWidth / 2;
    tip.style.left = `${Math.min(Math.max(middle, half), frame.width - half)}px`;
    tip.style.top = `${point.top - frame.top}px`;
  });
  map.addEventListener("pointerleave", () => { tip.textContent = ""; });
}

// Zoom by buttons and by the wheel, and move by dragging; without this, the whole map is shown.
const sheet = map?.querySelector("svg[data-zoom]");
if (sheet) {
  const whole = sheet.viewBox.baseVal;
  const [left, top, width, height] = [whole.x, whole.y, whole.width, whole.height];
  const radii = new Map([...sheet.querySelectorAll("circle")].map((one) => [one, one.r.baseVal.value]));
  let zoom = 1;
  let centre = { x: left + width / 2, y: top + height / 2 };

  const within = (value, low, size) => Math.min(Math.max(value, low + size / 2), low + size * zoom - size / 2);
  const show = () => {
    const [across, down] = [width / zoom, height / zoom];
    centre = { x: within(centre.x, left, across), y: within(centre.y, top, down) };
    sheet.setAttribute("viewBox", `${centre.x - across / 2} ${centre.y - down / 2} ${across} ${down}`);
    sheet.dataset.zoom = zoom >= 4 ? "4" : zoom >= 2 ? "2" : "1";
    sheet.style.setProperty("--zoom", zoom);
    for (const [circle, radius] of radii) circle.r.baseVal.value = radius / Math.sqrt(zoom);
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
}

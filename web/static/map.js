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

// Titles that contain what is typed, as suggestions; without this, the best known ones are suggested.
const field = document.querySelector("input[list]");
const titles = field?.list;
let waiting;

field?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const typed = field.value;
    const asked = new URLSearchParams({ q: typed, count: 12 });
    const answer = await fetch(`${titles.dataset.source}?${asked}`).catch(() => null);
    if (!answer?.ok || field.value !== typed) return;
    const { movies } = await answer.json();
    titles.replaceChildren(...movies.map(({ name }) => {
      const option = document.createElement("option");
      option.value = name;
      return option;
    }));
  }, 150);
});

// Plots beside the tables, the forecasts of the grids in use, and links out of Airflow's frame.
// By its versioned address: what is cached for ever belongs together.
const { drawAll, drawOutlook } = await import(document.body.dataset.plots);

const REFRESH_S = 60;
const PATIENCE_MS = 20000;

const clock = (iso, how = { weekday: "short", hour: "2-digit", minute: "2-digit" }) =>
  new Intl.DateTimeFormat("en-GB", { ...how, timeZone: "UTC" }).format(new Date(iso));
const whole = (value) => Math.round(value).toLocaleString("en-GB");

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

/* A grid in use: its curve, its cleanest hour, and the windows that waits there chose. */

async function ask(card) {
  const state = card.querySelector("[data-state]");
  try {
    const reply = await fetch(card.dataset.feed, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (reply.status === 401) throw new Error("Your login has ended. Load the page again.");
    const said = await reply.json();
    if (!reply.ok) throw new Error(said.detail);
    state.hidden = true;
    show(card, said);
    setTimeout(ask, Math.max(5, REFRESH_S / said.speed) * 1000, card);
  } catch (error) {
    const slow = error.name === "TimeoutError" || error.name === "TypeError";
    state.hidden = false;
    state.classList.add("wrong");
    state.textContent = slow ? "The forecast does not come: is Airflow's API server up?" : error.message;
    const again = element("button", "Try again");
    again.addEventListener("click", () => {
      state.classList.remove("wrong");
      state.textContent = "Loading the forecast…";
      ask(card);
    });
    state.append(again);
  }
}

function show(card, said) {
  const part = (name) => card.querySelector(`[data-${name}]`);
  if (said.curve.length === 0 || said.source === null) {
    part("state").hidden = false;
    part("state").textContent =
      "No source has a forecast of this grid. Tasks there start at once; add a source to the connection.";
    fillWaits(said);
    return;
  }
  part("regions").textContent = said.regions.slice(0, 3).join(", ");
  const present = said.curve.findLast(([at]) => at <= said.now) ?? said.curve[0];
  part("now").replaceChildren(whole(present[1]), element("small", " gCO₂eq/kWh now"));
  part("now").hidden = false;
  if (said.cleanest && said.speed === 1) {
    const { start, end, mean_g_per_kwh: mean } = said.cleanest;
    part("cleanest").textContent =
      `cleanest hour ${clock(start)}–${clock(end, { hour: "2-digit", minute: "2-digit" })}: ${whole(mean)}`;
    part("cleanest").hidden = false;
  }
  const passing = said.speed > 1 ? `; replayed, an hour passes in ${(3600 / said.speed).toPrecision(2)} s` : "";
  part("source").textContent =
    `${said.source}, ${said.quality}, ${said.signal}; issued ${clock(said.issued_at)} UTC${passing}`;
  fillCurve(part("table").querySelector("tbody"), said.curve);
  part("table").hidden = false;
  part("plot").setAttribute("role", "img");
  part("plot").setAttribute("aria-label",
    `Intensity of ${said.zone} over the next 48 hours, with ${said.waits.length} waits; the table below has the same`);
  fillWaits(said);
  drawOutlook(part("plot"), said);
}

function fillCurve(body, curve) {
  const every = Math.max(1, Math.ceil(curve.length / 96));
  body.replaceChildren(...curve.filter((_, i) => i % every === 0).map(([at, g]) => {
    const row = element("tr");
    row.append(element("td", clock(at)), element("td", whole(g), "n"));
    return row;
  }));
}

function fillWaits(said) {
  for (const wait of said.waits) {
    const row = [...document.querySelectorAll("[data-wait]")].find((one) => one.dataset.wait === wait.ident);
    const cell = row?.querySelector("[data-window]");
    if (!cell) continue;
    if (!wait.window) {
      cell.replaceChildren(element("small", wait.note));
      continue;
    }
    const { start, end, mean_g_per_kwh: mean } = wait.window;
    const seconds = said.speed > 1 ? { second: "2-digit" } : {};
    const hours = { hour: "2-digit", minute: "2-digit", ...seconds };
    const told = mean === null ? wait.note : `${whole(mean)} gCO₂eq/kWh`;
    cell.replaceChildren(`${clock(start, { weekday: "short", ...hours })}–${clock(end, hours)}`, element("small", told));
  }
}

/* Airflow's frame lets no link out of it; its own document may follow one. */

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-airflow]");
  if (!link || parent === window || event.button !== 0) return;
  let outer;
  try { outer = parent.document; } catch { return; }
  event.preventDefault();
  const twin = outer.createElement("a");
  twin.href = link.href;
  if (event.ctrlKey || event.metaKey || event.shiftKey) twin.target = "_blank";
  outer.body.append(twin);
  twin.click();
  twin.remove();
});

document.querySelectorAll("select").forEach((one) => one.addEventListener("change", () => one.form.requestSubmit()));
document.querySelectorAll("[data-feed]").forEach((card) => ask(card));
drawAll();

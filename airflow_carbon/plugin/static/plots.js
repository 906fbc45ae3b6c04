// The plots, drawn from the tables beside them: what is seen and what is read is the same.

let loading = null;
const drawn = new Map();

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
// plotly reads a few tags in text; names are no markup.
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function plotly() {
  const address = document.body.dataset.plotly;
  if (!address) return Promise.resolve(null);
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("plotly's script does not come")));
    document.head.append(script);
  });
  return loading;
}

async function draw(plot, figure) {
  drawn.set(plot, figure);
  try {
    const library = await plotly();
    if (!library) return;
    plot.hidden = false;
    const { traces, layout } = figure();
    await library.react(plot, traces, layout, { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false });
    plot.dataset.drawn = "yes";
  } catch (error) {
    plot.hidden = true;
    const details = plot.parentElement.querySelector("details");
    if (details) { details.hidden = false; details.open = true; }
    console.error(error);
  }
}

document.addEventListener("carbon-theme", () => drawn.forEach((figure, plot) => draw(plot, figure)));

function layout(changes) {
  const axis = {
    gridcolor: ink("line"), linecolor: ink("line"), zeroline: false, fixedrange: true,
    tickfont: { size: 12 }, tickangle: 0, automargin: true, ticks: "",
  };
  const { xaxis, yaxis, ...others } = changes;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false, hovermode: "closest",
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink("soft") },
    hoverlabel: { bgcolor: ink("card"), bordercolor: ink("line"), font: { color: ink("ink"), size: 13 } },
    margin: { l: 8, r: 8, t: 8, b: 8 }, showlegend: false,
    xaxis: { ...axis, showgrid: false, ...xaxis }, yaxis: { ...axis, rangemode: "tozero", nticks: 5, ...yaxis },
    ...others,
  };
}

/* The grid of a zone: what was, what is forecast, and the windows that waits chose. */

export function drawOutlook(plot, said) {
  draw(plot, () => {
    const step = (said.step_s ?? 3600) * 1000;
    const ends = new Date(Date.parse(said.curve.at(-1)[0]) + step).toISOString();
    const curve = [...said.curve, [ends, said.curve.at(-1)[1]]];
    const unit = "<br>%{y:.0f} gCO₂eq/kWh<extra></extra>";
    const hover = said.speed > 1 ? `%{x|%H:%M:%S}${unit}` : `%{x|%a %H:%M}${unit}`;
    const trace = (points, color, extra = {}) => ({
      x: points.map(([at]) => at), y: points.map(([, g]) => g), mode: "lines",
      line: { shape: "hv", color, width: 1.8 }, hovertemplate: hover, ...extra,
    });
    const split = Math.max(0, curve.findLastIndex(([at]) => at <= said.now));
    const traces = [trace(curve.slice(0, split + 1), ink("past")), trace(curve.slice(split), ink("curve"))];
    const windows = new Map();
    for (const { task, window } of said.waits) {
      if (!window) continue;
      const key = `${window.start} ${window.end}`;
      windows.set(key, { ...window, tasks: [...(windows.get(key)?.tasks ?? []), task] });
    }
    const shapes = [{ type: "line", x0: said.now, x1: said.now, y0: 0, y1: 1, yref: "paper", line: { color: ink("faint"), width: 1, dash: "dot" } }];
    const labels = [];
    for (const { start, end, tasks } of [...windows.values()].sort((one, other) => one.start.localeCompare(other.start))) {
      const inside = within(curve, start, end);
      if (inside.length) traces.push(trace(inside, ink("window"), {
        line: { shape: "hv", color: ink("window"), width: 3 },
        hovertemplate: `${plain(tasks.slice(0, 5).join(", "))}${tasks.length > 5 ? " …" : ""}<br>${hover}`,
      }));
      const one = tasks[0].split(" / ").at(-1);
      labels.push({ start, text: tasks.length > 1 ? `${tasks.length} tasks` : one.length > 28 ? `${one.slice(0, 27)}…` : one });
      shapes.push({ type: "rect", x0: start, x1: end, y0: 0, y1: 1, yref: "paper", fillcolor: ink("fill"), line: { width: 0 }, layer: "below" });
    }
    const annotations = stacked(labels, curve[0][0], said.until, plot.clientWidth);
    const format = said.speed > 1 ? "%H:%M:%S" : "%H:%M\n%a %d %b";
    return { traces, layout: layout({
      shapes, annotations,
      yaxis: { range: [0, (windows.size ? 1.3 : 1.08) * Math.max(1, ...curve.map(([, g]) => g))] },
      xaxis: { type: "date", range: [curve[0][0], said.until], tickformat: format, nticks: plot.clientWidth < 500 ? 5 : 10 },
    }) };
  });
}

// Names of windows that are near each other stand one below the other, inside the plot.
function stacked(labels, begin, until, width) {
  const perPixel = (Date.parse(until) - Date.parse(begin)) / Math.max(width - 40, 1);
  const taken = [];
  return labels.slice(0, 12).map(({ start, text }) => {
    const at = Date.parse(start);
    const length = (text.length * 7 + 10) * perPixel;
    const flips = at + length > Date.parse(until);
    const [from, to] = flips ? [at - length, at] : [at, at + length];
    let line = 0;
    while (taken.some((one) => one.line === line && one.from < to && from < one.to)) line += 1;
    taken.push({ line, from, to });
    return {
      x: start, y: 1, yref: "paper", xanchor: flips ? "right" : "left", yanchor: "top", yshift: -16 * line, showarrow: false,
      text: plain(text), font: { color: ink("window"), size: 12 }, bgcolor: ink("veil"), borderpad: 1,
    };
  });
}

function within(curve, start, end) {
  const ours = curve.filter(([at]) => Date.parse(at) > Date.parse(start) && Date.parse(at) < Date.parse(end));
  const before = curve.findLast(([at]) => Date.parse(at) <= Date.parse(start));
  if (!before) return ours;
  const last = ours.at(-1) ?? before;
  return [[start, before[1]], ...ours, [end, last[1]]];
}

/* Plots of tables. */

const rows = (plot) => [...document.getElementById(plot.dataset.from).querySelectorAll("tbody tr")].map((one) => one.dataset);

const FIGURES = { months, promises, run };

export function drawAll() {
  document.querySelectorAll("[data-plot][data-from]").forEach((plot) => {
    const caption = document.getElementById(plot.dataset.from).caption.textContent;
    plot.setAttribute("role", "img");
    plot.setAttribute("aria-label", `${caption}; the table below has the same`);
    draw(plot, () => FIGURES[plot.dataset.plot](plot));
  });
}

function months(plot) {
  const data = rows(plot).reverse();
  const most = Math.max(...data.map((one) => +one.high));
  const [size, unit] = most >= 1e6 ? [1e6, "t"] : most >= 1e3 ? [1e3, "kg"] : [1, "g"];
  const x = data.map((one) => `${one.x}-01`);
  const y = data.map((one) => one.y / size);
  const compared = data.filter((one) => one.delta !== undefined);
  const half = 17 * 864e5;
  const end = Date.parse(x.at(-1)) + half;
  const begin = Math.min(Date.parse(x[0]) - half, end - 12 * 30.5 * 864e5);
  const traces = [
    { type: "bar", x, y, marker: { color: ink("window"), opacity: 0.75, cornerradius: 3 }, width: 0.55 * 30 * 864e5,
      error_y: { type: "data", symmetric: false, array: data.map((one) => (one.high - one.y) / size),
        arrayminus: data.map((one) => (one.y - one.low) / size), color: ink("soft"), thickness: 1, width: 3 },
      hovertemplate: `%{x|%B %Y}<br>%{y:.3~g} ${unit}<extra></extra>` },
    { x: compared.map((one) => `${one.x}-01`), y: compared.map((one) => (one.y - one.delta) / size), mode: "markers",
      marker: { symbol: "line-ew-open", size: plot.clientWidth < 500 ? 9 : 24, color: ink("more"), line: { width: 2 } },
      hovertemplate: `baseline %{y:.3~g} ${unit}<extra></extra>` },
  ];
  return { traces, layout: layout({
    bargap: 0.4, xaxis: { type: "date", tickformat: "%b\n%Y", dtick: plot.clientWidth < 500 ? "M3" : "M1",
      range: [begin, end].map((at) => new Date(at).toISOString()) },
    yaxis: { title: { text: `${unit} CO₂eq`, font: { size: 12 } } },
    margin: { l: 8, r: 8, t: 14, b: 8 },
  }) };
}

function promises(plot) {
  const data = rows(plot);
  const x = data.map((one) => +one.x);
  const y = data.map((one) => +one.y);
  const least = Math.min(...x, ...y);
  const most = Math.max(...x, ...y, 1);
  // From hydropower to coal is a factor of fifty: in a linear plot the clean grids are one dot.
  const type = least > 0 ? "log" : "linear";
  const ends = type === "log" ? [0.85 * least, 1.15 * most] : [0, 1.08 * most];
  const ticks = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];
  const axis = type === "log"
    ? { type, range: ends.map(Math.log10), tickvals: ticks, ticktext: ticks.map(String), showgrid: true }
    : { type, range: ends, nticks: 6, showgrid: true };
  const title = (text) => ({ text, font: { size: 12 } });
  return {
    traces: [
      { x: ends, y: ends, mode: "lines", line: { color: ink("faint"), width: 1, dash: "dot" }, hoverinfo: "skip" },
      { x, y, mode: "markers", marker: { color: ink("window"), size: 8, opacity: 0.55 },
        hovertemplate: "promised %{x:.0f}<br>was %{y:.0f} gCO₂eq/kWh<extra></extra>" },
    ],
    layout: layout({
      xaxis: { ...axis, title: title("promised, gCO₂eq/kWh") }, yaxis: { ...axis, rangemode: "normal", title: title("actual, gCO₂eq/kWh") },
    }),
  };
}

function run(plot) {
  const data = rows(plot);
  const devices = [...new Set(data.map((one) => one.device))];
  const colors = [ink("window"), ink("second"), ink("more"), ink("curve"), ink("past")];
  // Each stretch is level: begin and end both have its value, and a gap is none.
  const steps = (ours, value) => {
    const x = []; const y = []; let last = null;
    for (const one of ours) {
      if (last !== null && Date.parse(one.begin) - Date.parse(last) > 2) { x.push(last); y.push(null); }
      const v = one[value] === undefined ? null : +one[value];
      x.push(one.begin, one.end); y.push(v, v);
      last = one.end;
    }
    return { x, y };
  };
  const traces = devices.map((device, i) => ({
    ...steps(data.filter((one) => one.device === device), "w"), name: plain(device), mode: "lines",
    line: { color: colors[i % colors.length], width: 1.6 },
    hovertemplate: `${plain(device)}<br>%{x|%H:%M:%S}<br>%{y:.0f} W<extra></extra>`,
  }));
  const priced = data.filter((one) => one.g !== undefined && one.device === devices[0]);
  traces.push({ ...steps(priced, "g"), yaxis: "y2", mode: "lines", showlegend: false,
    line: { color: ink("curve"), width: 1.6 }, fill: "tozeroy", fillcolor: ink("fill"),
    hovertemplate: "%{x|%H:%M:%S}<br>%{y:.0f} gCO₂eq/kWh<extra></extra>" });
  const base = layout({
    showlegend: devices.length > 1, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    margin: { l: 8, r: 8, t: devices.length > 1 ? 30 : 8, b: 8 },
    xaxis: { type: "date", anchor: "y2", nticks: plot.clientWidth < 500 ? 4 : 8 },
    yaxis: { domain: [0.42, 1], title: { text: "W", font: { size: 12 } } },
  });
  base.yaxis2 = { ...base.yaxis, domain: [0, 0.32], nticks: 3, title: { text: "g/kWh", font: { size: 12 } } };
  return { traces, layout: base };
}

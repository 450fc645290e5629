"use strict";
// The page's own script: what it shows is in the block of JSON; every text goes in as text.
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const PAGE = 100;
  let data, metric, cells, field; // set by `take`: a live page has news

  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "class") node.className = value;
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null) node.setAttribute(name, value);
    }
    for (const child of children.flat()) if (child !== null) node.append(child);
    return node;
  };
  const show = (value) => (value === null || value === undefined ? "-" : (value * metric.scale).toFixed(metric.digits));
  const plain = (value, digits = 4) => (value === null || value === undefined ? "-" : Number(value.toPrecision(digits)).toString());
  const seconds = (value) => (value === null ? "-" : value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en"));
  const column = (cell, name) => (cell.epochs || []).map((epoch) => epoch[field[name]]);
  const peak = (cell) => {
    const known = (name) => column(cell, name).filter((value) => value !== null);
    const held = [known("peak_gib"), known("process_gib")].find((values) => values.length);
    return held ? Math.max(...held) : null;
  };

  // ---- colours -------------------------------------------------------------------------------
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const painted = (value) => {
    if (typeof value === "string" && value.startsWith("@")) return colour(value.slice(1)) || value;
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, painted(inner)]));
    }
    return value;
  };
  const THEMES = ["auto", "dark", "light"];
  let theme = "auto";
  try { theme = localStorage.getItem("freelb-theme") || "auto"; } catch { /* a file may have no storage */ }
  const setTheme = (name) => {
    theme = THEMES.includes(name) ? name : "auto";
    if (theme === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = theme;
    const said = { auto: "as the system has them", dark: "dark", light: "light" }[theme];
    const button = $("#theme");
    button.textContent = theme[0].toUpperCase() + theme.slice(1);
    button.setAttribute("aria-label", `Colours: ${said}`);
    try { localStorage.setItem("freelb-theme", theme); } catch { /* as above */ }
    redraw();
  };

  // ---- figures -------------------------------------------------------------------------------
  const drawn = new Map(); // element -> figure
  const layoutOf = (layout, width) => {
    const ink = colour("ink"), line = colour("line");
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, title: { standoff: 10 } };
    const narrow = (width || innerWidth) < 560;
    const title = (own) => (typeof own === "string" ? { text: own, standoff: 10 } : own);
    const both = (own = {}) => ({ ...axis, ...own, title: title(own.title) });
    return {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, size: narrow ? 11 : 12.5, family: "system-ui, sans-serif" },
      margin: { l: 12, r: 14, t: 26, b: 12 },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, ...(layout.legend || {}) },
      hoverlabel: { bgcolor: colour("raised"), bordercolor: line, font: { color: ink }, align: "left" },
      xaxis: both(layout.xaxis), yaxis: both(layout.yaxis),
      ...(width ? { width } : {}),
    };
  };
  const load = () => { // plotly is read when the first figure comes into sight, so that the page opens at once
    const script = $("#plotly"); // which a kept page may have in a file beside it, or lack: the numbers are there
    if (!window.Plotly && script) document.head.append(make("script", {}, script.textContent));
    return Boolean(window.Plotly);
  };
  const draw = (element, figure, width) => {
    if (!load()) return;
    drawn.set(element, figure);
    return Plotly.react(element, painted(figure.data), painted(layoutOf(figure.layout, width)), {
      displayModeBar: false, responsive: !width, scrollZoom: false,
    });
  };
  const redraw = (width) => { for (const [element, figure] of drawn) if (element.isConnected) draw(element, figure, width); };
  const waiting = () => [...document.querySelectorAll("[data-figure]")].filter((element) => !drawn.has(element));
  const drawOne = (element) => { if (!drawn.has(element)) draw(element, data.figures[element.dataset.figure]); };
  const watchFigures = () => {
    if (!("IntersectionObserver" in window)) { waiting().forEach(drawOne); return; }
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { seen.unobserve(entry.target); drawOne(entry.target); }
    }, { rootMargin: "400px" });
    waiting().forEach((element) => seen.observe(element));
  };
  let unfolded = []; // for paper, which nobody can click
  addEventListener("beforeprint", () => {
    unfolded = [...document.querySelectorAll("details.opened:not([open])")];
    unfolded.forEach((each) => { each.open = true; });
    waiting().forEach(drawOne);
    redraw(670);
  });
  addEventListener("afterprint", () => { unfolded.forEach((each) => { each.open = false; }); redraw(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());

  // ---- the table of cells --------------------------------------------------------------------
  const config = (cell) => cells.configs[cell.config];
  const seedOf = (cell) => (cell.fold ? `${cell.seed}, fold ${cell.fold}` : String(cell.seed));
  let hasPeak, columns, words, groupKey;
  const columnsOf = (hasWhy) => [
    ...cells.swept.map((setting, at) => ({ name: setting.short, title: setting.name, text: (cell) => config(cell).values[at], sort: (cell) => config(cell).values[at] })),
    { name: "seed", num: true, text: seedOf, sort: (cell) => cell.seed + (cell.fold || 0) / 1e6 },
    { name: "state", chip: true, text: (cell) => cell.state, sort: (cell) => data.states.indexOf(cell.state) },
    { name: `best ${metric.name}`, num: true, down: metric.better === "higher", text: (cell) => show(cell.best), sort: (cell) => cell.best },
    { name: "last", num: true, down: metric.better === "higher", text: (cell) => show(cell.last), sort: (cell) => cell.last },
    { name: "epochs", num: true, text: (cell) => String(cell.n), sort: (cell) => cell.n },
    { name: "seconds", num: true, text: (cell) => seconds(cell.seconds), sort: (cell) => cell.seconds },
    ...(hasPeak ? [{ name: "peak GiB", num: true, text: (cell) => plain(peak(cell), 3), sort: peak }] : []),
    ...(hasWhy ? [{ name: "why", why: true, text: (cell) => cell.why || "", sort: (cell) => cell.why || "" }] : []),
  ];
  const view = { sort: null, down: false, find: "", state: "", group: "", limit: PAGE, closed: new Set() };
  const compare = (a, b) => {
    if (a === null || a === undefined || a === "-") return b === null || b === undefined || b === "-" ? 0 : 2;
    if (b === null || b === undefined || b === "-") return -2;
    const [x, y] = [Number(a), Number(b)];
    if (!Number.isNaN(x) && !Number.isNaN(y) && a !== "" && b !== "") return Math.sign(x - y);
    return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
  };
  const wordsOf = () => cells.rows.map((cell) => [cell.id, config(cell).name, config(cell).arm, cell.state, cell.why || "", `seed ${seedOf(cell)}`, ...config(cell).values].join(" ").toLowerCase());
  const chosen = () => {
    const terms = view.find.toLowerCase().split(",").map((term) => term.trim()).filter(Boolean);
    const rows = cells.rows.filter((cell, at) => (!view.state || cell.state === view.state) && terms.every((term) => words[at].includes(term)));
    if (view.sort !== null) {
      const { sort } = columns[view.sort];
      rows.sort((a, b) => { const order = compare(sort(a), sort(b)); return Math.abs(order) === 2 ? order : view.down ? -order : order; });
    }
    return rows;
  };
  const rowOf = (cell) => make("tr", { class: config(cell).arm === "clean" ? "clean" : "", "data-cell": cell.id },
    make("td", { class: "pin" }, make("button", { type: "button", "aria-label": `Open cell ${cell.name}`, onclick: () => open(cell) }, cell.id.slice(0, 7))),
    columns.map((each) => {
      const text = each.text(cell);
      if (each.title) return make("td", {}, make("span", { class: "value" }, text));
      if (each.chip) return make("td", {}, make("span", { class: `chip chip-${text}` }, text));
      return make("td", { class: each.num ? "num" : each.why ? "why" : "" }, each.why ? make("span", {}, text) : text);
    }));
  const groupsOf = () => Object.fromEntries([["configuration", (cell) => config(cell).name], ["arm", (cell) => config(cell).arm], ["state", (cell) => cell.state],
    ...cells.swept.map((setting, at) => [setting.name, (cell) => config(cell).values[at]])]);
  const pin = () => { // what tells cells apart stays in sight where the table is wider than its place
    const heads = [...$("#cell-table thead tr").children], room = $("#cell-table").parentElement.clientWidth / 2;
    let left = heads[0].offsetWidth;
    const rules = heads.slice(1, 1 + cells.swept.length).map((head, at) => {
      const rule = left + head.offsetWidth > room ? "" : `#cell-table tr:not(.group) > :nth-child(${at + 2}) { position: sticky; left: ${left}px; z-index: 1; }`;
      left += head.offsetWidth;
      return rule;
    });
    $("#pins").textContent = rules.join("\n");
  };
  addEventListener("resize", () => pin());
  const renderCells = () => {
    const rows = chosen(), body = $("#cell-table tbody"), out = [];
    let shown = 0;
    if (view.group) {
      const groups = new Map();
      for (const cell of rows) {
        const key = groupKey[view.group](cell);
        if (!groups.has(key)) groups.set(key, []);
        groups.get(key).push(cell);
      }
      const ordered = view.sort === null ? [...groups].sort((a, b) => compare(a[0], b[0])) : [...groups];
      for (const [key, members] of ordered) {
        const done = members.filter((cell) => cell.state === "done" && cell.best !== null);
        const mean = done.length ? `mean best ${metric.name} ${show(done.reduce((sum, cell) => sum + cell.best, 0) / done.length)} (n = ${done.length} done cells)` : "none done";
        const isOpen = !view.closed.has(key);
        out.push(make("tr", { class: "group" }, make("th", { colspan: columns.length + 1, scope: "rowgroup" },
          make("button", { type: "button", "aria-expanded": String(isOpen), onclick: () => { if (isOpen) view.closed.add(key); else view.closed.delete(key); renderCells(); } },
            `${isOpen ? "▾" : "▸"} ${key}: ${members.length} cell${members.length === 1 ? "" : "s"}, ${mean}`))));
        if (!isOpen) continue;
        const some = members.slice(0, Math.max(view.limit - shown, 0));
        shown += some.length;
        out.push(...some.map(rowOf));
      }
    } else {
      const some = rows.slice(0, view.limit);
      shown = some.length;
      out.push(...some.map(rowOf));
    }
    body.replaceChildren(...out);
    pin();
    $("#count").textContent = `${rows.length.toLocaleString("en")} of ${cells.rows.length.toLocaleString("en")} cells`;
    $("#more").hidden = shown >= rows.length || (view.group && view.closed.size);
  };
  const renderHead = () => {
    $("#cell-table thead").replaceChildren(make("tr", {}, make("th", { scope: "col", class: "pin" }, "cell"), columns.map((each, at) =>
      make("th", { scope: "col", class: each.num ? "num" : "", title: each.title || null, "aria-sort": view.sort === at ? (view.down ? "descending" : "ascending") : "none" },
        make("button", { type: "button", onclick: () => {
          view.down = view.sort === at ? !view.down : Boolean(each.down);
          view.sort = at;
          renderHead(); renderCells();
        } }, each.name), make("span", { class: "paper" }, each.name)))));
  };
  const pairs = (list) => make("div", { class: "pairs" }, list.map(([name, text]) => make("div", {}, make("span", {}, name), make("span", {}, text))));
  const options = (select, list) => select.append(...list.map(([value, text]) => make("option", { value }, text)));
  const setUpCells = () => {
    const present = new Set(cells.rows.map((cell) => cell.state));
    options($("#state"), ["running", ...data.states.filter((s) => s !== "running")].filter((s) => present.has(s)).map((s) => [s, s]));
    options($("#group"), [...cells.swept.map((setting) => [setting.name, setting.short]), ["configuration", `all but the ${data.replicate === "cell" ? "seed and the fold" : "seed"}`], ["arm", "arm"], ["state", "state"]]);
    $("#find").addEventListener("input", (event) => { view.find = event.target.value; view.limit = PAGE; renderCells(); });
    $("#state").addEventListener("change", (event) => { view.state = event.target.value; view.limit = PAGE; renderCells(); });
    $("#group").addEventListener("change", (event) => { view.group = event.target.value; view.closed.clear(); renderCells(); });
    $("#more").addEventListener("click", () => { view.limit += 5 * PAGE; renderCells(); });
    const shared = cells.constant.adversarial.length ? cells.constant.adversarial : cells.constant.clean;
    $("#constant div").append(pairs(shared));
    $("#constant").hidden = !shared.length;
    [$("#find").value, $("#state").value, $("#group").value] = [view.find, view.state, view.group]; // as before the news
    [view.state, view.group] = [$("#state").value, $("#group").value];
    renderHead();
    renderCells();
  };

  // ---- one cell ------------------------------------------------------------------------------
  const table = (header, rows, caption) => make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    make("table", { class: "grid" }, make("thead", {}, make("tr", {}, header.map((text, at) => make("th", { scope: "col", class: at ? "num" : "" }, text)))),
      make("tbody", {}, rows.map((row) => make("tr", {}, row.map((text, at) => make("td", { class: at ? "num" : "" }, text)))))));
  const lines = (title, cell, list, yaxis = {}) => {
    const known = list.filter(([name]) => column(cell, name).some((value) => value !== null));
    if (!known.length) return null;
    const epochs = column(cell, "epoch");
    const tones = ["@tried", "@clean", "@best", "@bad", "@stopped", "@muted"], dashes = ["solid", "dash", "dot", "dashdot"];
    const figure = {
      data: known.map(([name, said, scale = 1], at) => ({
        type: "scatter", mode: "lines+markers", name: said, x: epochs, y: column(cell, name).map((value) => (value === null ? null : value * scale)),
        line: { color: tones[at % tones.length], dash: dashes[at % dashes.length] },
      })),
      layout: { height: 250, showlegend: true, xaxis: { title: "epoch", dtick: Math.max(1, Math.ceil(epochs.length / 8)) }, yaxis },
    };
    const element = make("div", { class: "plot", style: "height:250px", role: "img", "aria-label": `${title} by epoch; the table of epochs has the numbers` });
    return { node: [make("h3", {}, title), element], element, figure };
  };
  const health = (cell) => {
    if (config(cell).arm === "clean") return "The clean arm: no perturbation.";
    const last = (name) => { const known = column(cell, name).filter((value) => value !== null); return known.length ? known[known.length - 1] : null; };
    const [norm, ratio, bound, gain] = ["delta_norm", "delta_ratio", "bound_share", "adv_loss_gain"].map(last);
    if (norm === null) return "No perturbation was measured: it starts later, or no epoch is over.";
    const said = [`In the last epoch the perturbation was ${plain(norm, 3)} embedding units long`];
    if (ratio !== null) said.push(`, ${(100 * ratio).toFixed(0)} % of the ball's radius, and ${(100 * (bound || 0)).toFixed(0)} % of examples ended on the ball`);
    if (gain !== null) said.push(`; the loss under it was ${plain(gain, 3)} ${data.lossUnit} above the clean loss`);
    let meaning = "It moved the loss: the adversary is at work.";
    if (gain !== null && gain < 0.002) meaning = "That hardly moves the loss: the perturbation is too small to train against, so this is close to clean training.";
    else if (gain !== null && gain > 1) meaning = "That is a lot: the perturbation may destroy the meaning of the text rather than test it.";
    else if (bound !== null && bound > 0.95) meaning = "The ball decides how far it goes: adv_lr and init_mag hardly matter here, max_norm does.";
    else if (gain === null) meaning = "Its effect on the loss was not measured.";
    return `${said.join("")}. ${meaning}`;
  };
  const sameAs = (cell) => `with the same seed${cell.fold ? " and fold" : ""}`;
  const className = (at) => data.classes[at] ?? String(at);
  const numbers = (list, count) => (count ? `${list.join(", ")}${count > list.length ? ` and ${count - list.length} more` : ""}` : "none");
  const mistakes = (cell) => {
    if (data.predictions === null) return [make("h3", {}, "Mistakes"), make("p", { class: "small" }, "Confusion and the examples that clean training judges differently are worked out at the search's planned end.")];
    const told = data.predictions[cell.id];
    if (!told) return cell.state === "done" ? [make("h3", {}, "Mistakes"), make("p", { class: "small" }, "Left out here to keep the page small, or its predictions were not kept.")] : [];
    const out = [make("h3", {}, "Mistakes on the dev set")];
    if (told.error !== undefined) out.push(make("p", {}, `Mean absolute error ${plain(told.error)} over ${told.n} examples.`));
    if (told.confusion) {
      const total = told.confusion.map((row) => row.reduce((sum, count) => sum + count, 0));
      const isDense = told.confusion.length > 8; // then only narrow columns are all in sight
      const named = (text) => make("th", { scope: "col", class: "num" }, text);
      const head = make("tr", {}, make("th", { scope: "col" }, "true / predicted"), named("n"), named("F1"), told.confusion.map((_, at) => make("th", { scope: "col", class: "num class" }, make("span", {}, className(at)))));
      const body = told.confusion.map((row, at) => make("tr", {}, make("th", { scope: "row" }, className(at)), make("td", { class: "num" }, String(total[at])), make("td", { class: "num" }, told.f1[at] === null ? "-" : told.f1[at].toFixed(3)), row.map((count, to) => {
        const share = total[at] ? count / total[at] : 0;
        return make("td", { class: `num${at === to ? " hit" : ""}`, style: `background:color-mix(in srgb, var(--${at === to ? "tried" : "bad"}) ${Math.round(45 * share)}%, transparent)` }, isDense && !count ? "" : String(count));
      })));
      out.push(make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Confusion matrix" }, make("table", { class: `grid confusion${isDense ? " dense" : ""}` }, make("thead", {}, head), make("tbody", {}, body))));
    }
    if (told.support) out.push(table(["label", "n", "F1"], told.f1.map((value, at) => [className(at), String(told.support[at]), value === null ? "-" : value.toFixed(3)]), "F1 of each label"));
    if (told.closer !== undefined) out.push(make("p", {}, `Closer to the truth than the clean arm ${sameAs(cell)} on ${told.closer} of ${told.n} examples, farther on ${told.farther}.`));
    if (told.gained) {
      out.push(make("h3", {}, `Judged differently by the clean arm ${sameAs(cell)}`));
      for (const [name, said] of [["gained", "Right here, wrong there"], ["lost", "Wrong here, right there"]]) {
        out.push(make("p", { class: "numbers" }, `${said}, ${told[`${name}Count`]} of ${told.n} dev examples, by number: ${numbers(told[name], told[`${name}Count`])}`));
        const texts = told[name].filter((number) => data.texts[number]);
        if (texts.length) out.push(make("details", {}, make("summary", {}, `The texts of ${texts.length}`), make("ul", {}, texts.map((number) => make("li", {}, `${number}: ${data.texts[number].join(" | ")}`)))));
      }
    }
    return out;
  };
  const epochTable = (cell) => {
    const names = cells.epochFields.filter((name) => name === "epoch" || column(cell, name).some((value) => value !== null));
    return make("details", {}, make("summary", {}, "Every epoch as a table"), table(names, (cell.epochs || []).map((epoch) => names.map((name) => plain(epoch[field[name]], 5))), "Epochs"));
  };
  let opener = null;
  const open = (cell) => { opener = document.activeElement; fill(cell); $("#cell").showModal(); drawCharts(); };
  let charts = [], opened = null;
  const drawCharts = () => charts.forEach((chart) => draw(chart.element, chart.figure));
  const fill = (cell) => {
    opened = cell.id;
    const own = config(cell);
    const metrics = cells.epochFields.slice(field.peak_gib + 1);
    const isError = (name) => data.errors.includes(name.split(".").pop());
    charts = cell.epochs && cell.epochs.length ? [
      lines("Dev metrics, in percent", cell, metrics.filter((name) => !isError(name)).map((name) => [name, name, 100])),
      lines("Dev errors, as measured", cell, metrics.filter(isError).map((name) => [name, name])),
      lines(`Losses, in ${data.lossUnit}`, cell, [["train_loss", own.arm === "clean" ? "training" : "training, adversarial"], ["dev_loss", "dev, clean"]]),
      own.arm === "clean" ? null : lines("The adversary", cell, [["delta_ratio", "norm over the ball's radius"], ["bound_share", "share on the ball"], ["adv_loss_gain", "adversarial minus clean loss"]]),
      lines("Learning rate at the end of the epoch", cell, [["learning_rate", "learning rate"]], { rangemode: "tozero", exponentformat: "e" }), // a constant one has no range of its own
    ].filter(Boolean) : [];
    const constant = cells.constant[own.arm].filter(([name]) => !cells.swept.some((setting) => setting.name === name));
    const swept = cells.swept.map((setting, at) => [setting.short, own.values[at]]).filter(([, text]) => text !== "-");
    const sheet = $("#cell .sheet");
    const close = make("button", { type: "button", onclick: () => $("#cell").close() }, "Close");
    const facts = [["state", cell.state], [`best ${metric.name}`, show(cell.best)], ["last", show(cell.last)], ["epochs", String(cell.n)], ["seconds", seconds(cell.seconds)], ["peak GiB", hasPeak ? plain(peak(cell), 3) : "not measured"], ["cell", cell.id], ["configuration", own.id]];
    sheet.replaceChildren(
      make("header", {}, make("h2", { id: "cell-title" }, cell.name), close),
      ...(cell.why ? [make("p", { class: "verdict" }, cell.why)] : []),
      pairs(facts),
      ...(cell.n && !cell.epochs ? [make("p", { class: "small" }, "Its epochs are left out to keep the page small: epochs.csv has them.")] : []),
      ...charts.flatMap((chart) => chart.node),
      ...(own.arm === "clean" ? [] : [make("h3", {}, "Is the adversary healthy?"), make("p", {}, health(cell))]),
      ...mistakes(cell),
      make("h3", {}, "Settings as used"), pairs([...swept, ["seed", seedOf(cell)], ...own.rest, ...constant]),
      make("h3", {}, "What happened to it"),
      cell.log ? make("pre", { tabindex: "0" }, cell.log) : make("p", { class: "small" }, cell.n || ["failed", "diverged"].includes(cell.state) ? "Left out here to keep the page small." : "It has not run."),
      epochTable(cell));
  };
  const emptyCell = () => { for (const element of $("#cell").querySelectorAll(".plot")) { if (window.Plotly) Plotly.purge(element); drawn.delete(element); } };
  $("#cell").addEventListener("close", () => {
    emptyCell();
    opened = null;
    if (opener && opener.isConnected) opener.focus();
  });
  $("#cell").addEventListener("click", (event) => { if (event.target === $("#cell")) $("#cell").close(); });

  // ---- one setting, and two of them, against the score ---------------------------------------
  const safe = (value) => value.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const cut = (value) => safe(value.length > 26 ? `${value.slice(0, 9)}…${value.slice(-16)}` : value); // of paths the end tells
  const ticks = (values) => ({ type: "category", tickvals: values.map(safe), ticktext: values.map(cut) });
  const setUpSlice = (scored, varied) => {
    const slice = $("#fig-slice"), element = $(".plot", slice);
    const render = () => {
      const { at, short } = varied.find((each) => each.name === $("#slice-setting").value);
      const values = [...new Set(scored.map((each) => each.values[at]))].sort(compare), numbers = values.map(Number);
      const isNumber = !numbers.some(Number.isNaN), isLog = isNumber && numbers[0] > 0 && numbers[numbers.length - 1] >= 20 * numbers[0];
      const x = (value) => (isNumber ? Number(value) : safe(value));
      $("#cap-slice").textContent = `Each mark is a complete adversarial configuration (n = ${scored.length}), by the mean over its ${data.replicate}s; those above one value differ in other settings.${isLog ? " The axis is logarithmic." : ""}`;
      data.figures.slice = {
        data: [{ type: "scatter", mode: "markers", x: scored.map((each) => x(each.values[at])), y: scored.map((each) => each.mean * metric.scale), text: scored.map((each) => safe(each.name)),
          marker: { color: "@tried", size: 9, opacity: 0.6 }, hovertemplate: `%{y:.${metric.digits}f}<br>%{text}<extra></extra>`, showlegend: false }],
        layout: { height: 340, xaxis: { title: safe(short), ...(isNumber ? { type: isLog ? "log" : "linear" } : ticks(values)) }, yaxis: { title: safe(metric.name) } },
      };
      if (drawn.has(element)) draw(element, data.figures.slice); // else when it comes into sight
      const said = values.map((value) => {
        const means = scored.filter((each) => each.values[at] === value).map((each) => each.mean);
        return [value, String(means.length), ...[Math.min(...means), means.reduce((sum, mean) => sum + mean, 0) / means.length, Math.max(...means)].map(show)];
      });
      $("details .scroll", slice).replaceChildren(table([short, "configurations", "lowest", "mean", "highest"], said, "Scores by one setting").firstChild);
    };
    slice.hidden = false;
    element.dataset.figure = "slice";
    options($("#slice-setting"), varied.map((each) => [each.name, each.short]));
    $("#slice-setting").value = (varied.find((each) => each.name === data.pair[0]) || varied[0]).name;
    $("#slice-setting").addEventListener("change", render);
    render();
  };
  const setUpHeat = () => {
    const heat = $("#fig-heat");
    const scored = cells.configs.filter((each) => each.arm !== "clean" && each.mean !== null);
    const varied = cells.swept.map((setting, at) => ({ ...setting, at })).filter(({ at }) => new Set(scored.map((each) => each.values[at])).size > 1);
    const renderHeat = () => {
      const [down, across] = ["#heat-rows", "#heat-columns"].map((id) => varied.find((each) => each.name === $(id).value));
      const most = 60;
      const values = ({ at }) => [...new Set(scored.map((each) => each.values[at]))].sort(compare);
      const isCut = [down, across].some((each) => values(each).length > most);
      const [rows, cols] = [down, across].map((each) => values(each).slice(0, most));
      const places = rows.map((row) => cols.map((col) => scored.filter((each) => each.values[down.at] === row && each.values[across.at] === col)));
      const mean = (list) => (list.length ? (list.reduce((sum, each) => sum + each.mean, 0) / list.length) * metric.scale : null);
      const z = places.map((row) => row.map(mean));
      const seeds = (list) => list.reduce((sum, each) => sum + each.done, 0); // n as the table has it
      const text = places.map((row, i) => row.map((list, j) => (list.length ? `${z[i][j].toFixed(metric.digits)}<br>n=${seeds(list)}` : "")));
      const ramp = ["@shade4", "@shade3", "@shade2", "@shade1"];
      const height = Math.max(230, 110 + (cols.length > 9 ? 16 : 52) * rows.length); // two lines of text fit, or none
      const element = $(".plot", heat);
      element.style.height = `${height}px`;
      $("#cap-heat").textContent = `Mean ${metric.name} of complete adversarial configurations by ${down.short} and ${across.short}; n is the number of ${data.replicate}s behind it, as in the table; where several configurations share a place, of all of them.${isCut ? ` Shown: the first ${most} values.` : ""}`;
      data.figures.heat = {
        data: [{ type: "heatmap", z, x: cols.map(safe), y: rows.map(safe), text, texttemplate: cols.length > 9 ? "" : "%{text}", hovertemplate: `%{y}, %{x}: %{text}<extra></extra>`, xgap: 2, ygap: 2,
          colorscale: ramp.map((tone, at) => [at / (ramp.length - 1), tone]), reversescale: metric.better === "lower", showscale: true, colorbar: { thickness: 10, len: 0.9, outlinewidth: 0 } }],
        layout: { height, xaxis: { title: safe(across.short), ...ticks(cols) }, yaxis: { title: safe(down.short), ...ticks(rows), ticksuffix: "  " } },
      };
      if (drawn.has(element)) draw(element, data.figures.heat); // else when it comes into sight
      const said = places.map((row, i) => [rows[i], ...row.map((list, j) => (list.length ? `${z[i][j].toFixed(metric.digits)} (n=${seeds(list)})` : "-"))]);
      $("details .scroll", heat).replaceChildren(table([`${down.short} / ${across.short}`, ...cols], said, "Heat map, as a table").firstChild);
    };
    if (varied.length > 1 && scored.length > 1) {
      setUpSlice(scored, varied);
      heat.hidden = false;
      $(".plot", heat).dataset.figure = "heat";
      for (const id of ["#heat-rows", "#heat-columns"]) {
        options($(id), varied.map((each) => [each.name, each.short]));
        $(id).addEventListener("change", renderHeat);
      }
      const pair = data.pair.filter((name) => varied.some((each) => each.name === name));
      const rest = varied.map((each) => each.name).filter((name) => !pair.includes(name));
      [$("#heat-rows").value, $("#heat-columns").value] = [...pair, ...rest];
      renderHeat();
    }
  };

  // ---- the rest ------------------------------------------------------------------------------
  const setUp = (text) => {
    data = JSON.parse(text);
    ({ metric, cells } = data);
    field = Object.fromEntries(cells.epochFields.map((name, at) => [name, at]));
    hasPeak = cells.rows.some((cell) => peak(cell) !== null);
    [columns, words, groupKey] = [columnsOf(cells.rows.some((cell) => cell.why)), wordsOf(), groupsOf()];
    const all = $("#all-results");
    if (all) all.addEventListener("click", () => { document.querySelectorAll("#results tr.extra").forEach((row) => { row.hidden = false; }); all.remove(); });
    setUpCells();
    setUpHeat();
    watchFigures();
  };
  $("#theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]));
  setUp($("#data").textContent);
  setTheme(theme);

  // ---- news, where the page is served --------------------------------------------------------
  const take = (text) => {
    const news = new DOMParser().parseFromString(text, "text/html"); // runs no script
    const wasOpen = [...document.querySelectorAll("main details")].map((each) => each.open);
    drawn.forEach((_, element) => { if (!$("#cell").contains(element)) { Plotly.purge(element); drawn.delete(element); } });
    $("main").replaceWith(document.adoptNode($("main", news)));
    document.querySelectorAll("main details").forEach((each, at) => { each.open = Boolean(wasOpen[at]); });
    document.title = news.title;
    document.body.dataset.live = news.body.dataset.live;
    setUp($("#data", news).textContent);
    const cell = opened && cells.rows.find((each) => each.id === opened);
    if (cell) { emptyCell(); fill(cell); drawCharts(); }
  };
  const ask = async () => {
    try {
      const { mark } = await (await fetch("mark")).json();
      const isTyping = document.activeElement && document.activeElement.closest("#controls");
      if (mark !== document.body.dataset.live && !isTyping) take(await (await fetch("")).text());
    } catch { /* the server is gone; what is shown stays, and it may come back */ }
    setTimeout(ask, 1500);
  };
  if (document.body.dataset.live) setTimeout(ask, 1500);
})();

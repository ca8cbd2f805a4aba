// Plots over dates: values under the pointer, and a range of 1 year, 3 years or all. The page is whole without it.
for (const svg of document.querySelectorAll("svg[data-values]")) {
  const {box: [left, top, right, bottom], span: [first, last], days, unit, lines} = JSON.parse(svg.dataset.values);
  const figure = svg.parentElement, make = (name) => document.createElementNS(svg.namespaceURI, name);
  const day = (number) => new Date(number * 864e5).toISOString().slice(0, 10);
  const round = (value) => value === null ? "–" : value.toFixed(unit ? 1 : 2).replace("-", "−") + unit;
  let start = first;
  const place = (number) => left + (number - start) / (last - start) * (right - left);

  // Each clipped part moves within a group that keeps its clip path.
  const moved = [...svg.querySelectorAll("[clip-path]")].map((part) => {
    const frame = make("g");
    frame.setAttribute("clip-path", part.getAttribute("clip-path"));
    part.removeAttribute("clip-path");
    part.replaceWith(frame);
    frame.append(part);
    return part;
  });
  // Markers are placed by x; areas (x of 0) and lines are stretched.
  const marks = moved.flatMap((part) => [...part.querySelectorAll("use")]).map((use) => [use, +use.getAttribute("x")])
    .filter(([, x]) => x);
  const marked = new Set(marks.map(([use]) => use.parentElement));
  const ticks = [...svg.querySelectorAll("[id*=xtick]")], label = ticks.length && ticks[0].querySelector("text");
  const own = svg.appendChild(make("g"));

  function zoom(years) {
    start = years ? Math.max(first, last - 365.25 * years) : first;
    const scale = (last - first) / (last - start);
    for (const part of moved) {
      if (marked.has(part)) continue;
      part.setAttribute("transform", `matrix(${scale} 0 0 1 ${right * (1 - scale)} 0)`);
      for (const path of [part, ...part.querySelectorAll("path")]) path.setAttribute("vector-effect", "non-scaling-stroke");
    }
    for (const [use, x] of marks) use.setAttribute("x", right - (right - x) * scale);
    for (const tick of ticks) tick.style.display = scale > 1 ? "none" : "";
    own.replaceChildren();
    const date = new Date(start * 864e5), step = years > 1 ? 6 : 2;
    for (date.setUTCDate(1); label && scale > 1 && date < last * 864e5; date.setUTCMonth(date.getUTCMonth() + 1)) {
      const x = place(date / 864e5), text = label.cloneNode();
      if (date.getUTCMonth() % step || x < left) continue;
      text.removeAttribute("transform");
      text.setAttribute("x", x);
      text.textContent = date.toISOString().slice(0, 7);
      own.append(text);
    }
  }

  const years = [1, 3].filter((count) => last - first > 366 * count);
  if (years.length) {
    const bar = figure.appendChild(document.createElement("div"));
    bar.className = "range";
    for (const count of [...years, 0]) {
      const button = bar.appendChild(document.createElement("button"));
      button.textContent = count ? count + "y" : "all";
      button.setAttribute("aria-pressed", !count);
      button.onclick = () => {
        zoom(count);
        for (const other of bar.children) other.setAttribute("aria-pressed", other === button);
      };
    }
  }

  const tip = figure.appendChild(document.createElement("div")), guide = svg.appendChild(make("path"));
  tip.className = "tip";
  guide.setAttribute("stroke", "currentColor");
  svg.onpointerleave = () => { tip.hidden = true; guide.setAttribute("d", ""); };
  svg.onpointerleave();
  svg.onpointermove = (event) => {
    const edge = svg.getBoundingClientRect(), unitsPerPixel = svg.viewBox.baseVal.width / edge.width;
    const x = (event.clientX - edge.left) * unitsPerPixel;
    if (x < left || x > right) return svg.onpointerleave();
    const wanted = start + (x - left) / (right - left) * (last - start);
    const found = days.reduce((best, one, at) => Math.abs(one - wanted) < Math.abs(days[best] - wanted) ? at : best, 0);
    const rows = Object.entries(lines).map(([name, values]) => `${name}: ${round(values[found])}`);
    guide.setAttribute("d", `M${place(days[found])} ${top}V${bottom}`);
    tip.textContent = [day(days[found]), ...rows].join("\n");
    tip.hidden = false;
    const half = x > (left + right) / 2;
    tip.style.cssText = `top:${top / unitsPerPixel + 4}px;${half ? "right" : "left"}:${(half ? edge.width - event.clientX + edge.left : event.clientX - edge.left) + 12}px`;
  };
}
addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details")) part.open = true; });

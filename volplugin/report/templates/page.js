// Plots over dates: values under the pointer, and a range of 1 year, 3 years or all. The page is whole without it.
for (const svg of document.querySelectorAll("svg[data-values]")) {
  const {box: [left, top, right, bottom], span: [first, last], days, unit, lines} = JSON.parse(svg.dataset.values);
  const figure = svg.parentElement, make = (name) => document.createElementNS(svg.namespaceURI, name);
  const date = (day) => new Date(day * 864e5).toISOString();
  const round = (value) => value === null ? "–" : value.toFixed(unit ? 1 : 2).replace("-", "−") + unit;
  let start = first;
  const place = (day) => left + (day - start) / (last - start) * (right - left);

  // Each clipped part moves within a group that keeps its clip path.
  const moved = [...svg.querySelectorAll("[clip-path]")];
  for (const part of moved) {
    const frame = make("g");
    frame.setAttribute("clip-path", part.getAttribute("clip-path"));
    part.removeAttribute("clip-path");
    part.replaceWith(frame);
    frame.append(part);
  }
  // Markers are placed by x; areas (x of 0) and lines are stretched.
  const marks = [...svg.querySelectorAll("g use")].map((use) => [use, +use.getAttribute("x")])
    .filter(([use, x]) => x && moved.includes(use.parentElement));
  const marked = new Set(marks.map(([use]) => use.parentElement));
  const ticks = [...svg.querySelectorAll("[id*=xtick]")], own = svg.appendChild(make("g"));

  function zoom(years) {
    start = years ? Math.max(first, last - 365.25 * years) : first;
    const scale = (last - first) / (last - start);
    for (const part of moved.filter((part) => !marked.has(part))) {
      part.setAttribute("transform", `matrix(${scale} 0 0 1 ${right * (1 - scale)} 0)`);
      for (const path of [part, ...part.querySelectorAll("path")]) path.setAttribute("vector-effect", "non-scaling-stroke");
    }
    for (const [use, x] of marks) use.setAttribute("x", right - (right - x) * scale);
    for (const tick of ticks) tick.style.display = scale > 1 ? "none" : "";
    own.replaceChildren();
    for (let day = Math.ceil(start); scale > 1 && day < last; day++) {
      const [, month, number] = date(day).split(/[-T]/);
      if (number !== "01" || (month - 1) % (years > 1 ? 6 : 2)) continue;
      const text = own.appendChild(ticks[0].querySelector("text").cloneNode());
      text.removeAttribute("transform");
      text.setAttribute("x", place(day));
      text.textContent = date(day).slice(0, 7);
    }
  }

  const years = [1, 3].filter((count) => last - first > 366 * count), bar = document.createElement("div");
  bar.className = "range";
  for (const count of years.length ? [...years, 0] : []) {
    const button = bar.appendChild(document.createElement("button"));
    button.textContent = count ? count + "y" : "all";
    button.setAttribute("aria-pressed", !count);
    button.onclick = () => {
      zoom(count);
      for (const other of bar.children) other.setAttribute("aria-pressed", other === button);
    };
  }

  const tip = document.createElement("div"), guide = svg.appendChild(make("path"));
  figure.append(bar, tip);
  tip.className = "tip";
  guide.setAttribute("stroke", "currentColor");
  (svg.onpointerleave = () => { tip.hidden = true; guide.setAttribute("d", ""); })();
  svg.onpointermove = (event) => {
    const edge = svg.getBoundingClientRect(), unitsPerPixel = svg.viewBox.baseVal.width / edge.width;
    const x = (event.clientX - edge.left) * unitsPerPixel, half = x > (left + right) / 2;
    if (x < left || x > right) return svg.onpointerleave();
    const wanted = start + (x - left) / (right - left) * (last - start);
    const found = days.reduce((best, one, at) => Math.abs(one - wanted) < Math.abs(days[best] - wanted) ? at : best, 0);
    const rows = Object.entries(lines).map(([name, values]) => `${name}: ${round(values[found])}`);
    guide.setAttribute("d", `M${place(days[found])} ${top}V${bottom}`);
    tip.textContent = [date(days[found]).slice(0, 10), ...rows].join("\n");
    tip.hidden = false;
    const side = (half ? edge.right - event.clientX : event.clientX - edge.left) + 12;
    tip.style.cssText = `top:${top / unitsPerPixel + 4}px;${half ? "right" : "left"}:${side}px`;
  };
}
addEventListener("beforeprint", () => { for (const part of document.querySelectorAll("details")) part.open = true; });

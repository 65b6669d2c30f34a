// Draws a map of the index on a canvas. It reads the element #data or, on the web page, /map/data; it loads nothing else.
"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const canvas = find("canvas"), hint = find("hint"), said = find("said"), picture = canvas.parentElement;
  const pen = canvas.getContext("2d");
  const MOST_HITS = 30, REACH = 6;
  let data, view, layout, width, height, hits = null, hovered = null, scheduled = false, order, ink;

  const start = (given) => {
    data = given;
    data.haystack = data.title.map((title, n) => (title + " " + data.text[n]).toLowerCase());
    order = [...data.title.keys()].sort((a, b) => data.radius[b] - data.radius[a]);
    data.asked = data.questions.map((question) => question[0].toLowerCase());
    for (const [n, one] of data.layouts.entries()) find("layout").add(new Option(one.name, n));
    find("layout").parentElement.hidden = data.layouts.length < 2;
    if (new Set(data.source).size > 1) find("colour").value = "source";
    if (!data.questions.length) find("questions").parentElement.hidden = true;
    choose();
    new ResizeObserver(resize).observe(picture);
    isDark.addEventListener("change", () => { legend(); draw(); });
    resize();
  };

  const choose = () => {
    layout = data.layouts[Number(find("layout").value) || 0];
    whole();
    legend();
    search();
  };
  // Points at the edge are drawn whole.
  const whole = () => { view = { x: 0.5, y: 0.5, zoom: 0.95 }; };

  // Places: the unit square fills the shorter side of the canvas.
  const side = () => Math.min(width, height) * view.zoom;
  const wide = () => side() * Math.max(1, Math.min(1.6, width / height));
  const high = () => side() * Math.max(1, Math.min(1.6, height / width));
  const placed = (x, y) => [
    width / 2 + (x / data.grid - view.x) * wide(),
    height / 2 - (y / data.grid - view.y) * high(),
  ];
  const isAsked = () => find("questions").checked;
  const grown = () => Math.sqrt(view.zoom) * Math.max(0.55, Math.min(1, Math.min(width, height) / 700));
  const sizeOf = (n) => data.radius[n] * grown();
  // Many questions are drawn smaller, so that a small picture still shows what is below them.
  const least = () => (data.questions.length > 500 ? 0.5 : 0.8);
  const sizeOfQuestion = (n) => Math.min(4 + Math.sqrt(data.questions[n][2]), 9) * Math.max(least(), grown());
  const groups = () => {
    const by = find("colour").value;
    return by === "source" ? [data.source, data.sources] : by === "kind" ? [data.kind, data.kinds]
      : [layout.region, layout.regions.map((one) => one[0])];
  };
  // On black, the darker colours need a third of white to stand out.
  const isDark = matchMedia("(prefers-color-scheme: dark)");
  const lighter = (hex) => "#" + hex.slice(1).replace(/../g, (part) => Math.round(parseInt(part, 16) * 0.7 + 76.5).toString(16));
  const colour = (group) => {
    const given = data.palette[group % data.palette.length];
    return isDark.matches ? lighter(given) : given;
  };
  const style = (name) => getComputedStyle(find("map")).getPropertyValue(name).trim();

  const draw = () => {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(() => { scheduled = false; paint(); });
  };

  const paint = () => {
    const scale = window.devicePixelRatio || 1;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const [group] = groups();
    ink = { text: style("--map-ink"), alarm: style("--map-alarm"), paper: style("--map-paper") };
    for (const isHit of hits ? [false, true] : [true]) {
      for (const n of order) {
        if (hits && hits.points.has(n) !== isHit) continue;
        const [x, y] = placed(layout.x[n], layout.y[n]), size = sizeOf(n);
        if (x < -size || y < -size || x > width + size || y > height + size) continue;
        pen.globalAlpha = isHit ? (hits ? 1 : 0.72) : 0.1;
        pen.fillStyle = colour(group[n]);
        pen.beginPath();
        pen.arc(x, y, hits && isHit ? size + 1.5 : size, 0, 7);
        pen.fill();
      }
    }
    if (isAsked()) data.questions.forEach(paintQuestion);
    pen.globalAlpha = 1;
    if (!hits) paintLabels();
    if (hovered) ring(hovered);
  };

  const placeOfQuestion = (n) => placed(layout.x[data.title.length + n], layout.y[data.title.length + n]);

  const paintQuestion = (question, n) => {
    const [x, y] = placeOfQuestion(n), size = sizeOfQuestion(n);
    pen.globalAlpha = hits && !hits.questions.has(n) ? 0.12 : question[1] ? 0.6 : 0.95;
    pen.lineWidth = (question[1] ? 1.3 : 2.2) * Math.min(1, size / 5);
    pen.strokeStyle = question[1] ? ink.text : ink.alarm;
    pen.beginPath();
    if (question[1]) {
      const half = size * 0.62;
      pen.moveTo(x, y - half); pen.lineTo(x + half, y); pen.lineTo(x, y + half); pen.lineTo(x - half, y); pen.closePath();
    } else {
      const half = size * 0.7;
      pen.moveTo(x - half, y - half); pen.lineTo(x + half, y + half);
      pen.moveTo(x + half, y - half); pen.lineTo(x - half, y + half);
    }
    pen.stroke();
  };

  const paintLabels = () => {
    const used = [], small = width < 600;
    pen.font = `600 ${small ? 11 : 13}px ui-sans-serif, system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.lineJoin = "round";
    for (const [label, gridX, gridY] of layout.regions) {
      const lines = wrapped(label, small ? 120 : 190);
      const across = Math.max(...lines.map((line) => pen.measureText(line).width)), down = lines.length * 16;
      let [x, y] = placed(gridX, gridY);
      if (x < 0 || y < 0 || x > width || y > height) continue;
      x = Math.max(across / 2 + 4, Math.min(width - across / 2 - 4, x));
      y = Math.max(down / 2 + 4, Math.min(height - down / 2 - 4, y));
      const box = [x - across / 2 - 4, y - down / 2 - 2, x + across / 2 + 4, y + down / 2 + 2];
      if (used.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
      used.push(box);
      lines.forEach((line, n) => {
        const at = y + (n - (lines.length - 1) / 2) * 16;
        pen.lineWidth = 4;
        pen.strokeStyle = ink.paper;
        pen.strokeText(line, x, at);
        pen.fillStyle = ink.text;
        pen.fillText(line, x, at);
      });
    }
  };

  const wrapped = (label, most) => {
    const lines = [];
    for (const part of label.split(" · ")) {
      const longer = lines.length ? lines[lines.length - 1] + " · " + part : part;
      if (lines.length && pen.measureText(longer).width <= most) lines[lines.length - 1] = longer;
      else lines.push(part);
    }
    return lines;
  };

  const ring = ({ kind, n }) => {
    const [x, y] = kind === "point" ? placed(layout.x[n], layout.y[n]) : placeOfQuestion(n);
    pen.beginPath();
    pen.lineWidth = 2;
    pen.strokeStyle = ink.text;
    pen.arc(x, y, (kind === "point" ? sizeOf(n) : sizeOfQuestion(n)) + 3, 0, 7);
    pen.stroke();
  };

  const legend = () => {
    const [group, names] = groups(), counts = new Map();
    for (const one of group) counts.set(one, (counts.get(one) || 0) + 1);
    const entries = names.map((name, n) => [name, n]).filter(([, n]) => counts.has(n)).slice(0, 30);
    find("legend").replaceChildren(...entries.map(([name, n]) => entry(colour(n), "dot", `${name} (${counts.get(n)})`)));
    if (new Set(data.radius).size > 1) find("legend").append(entry("currentColor", "dot", "larger: cited more often"));
    if (data.questions.length) {
      find("legend").append(entry("currentColor", "diamond", "question, answered"), entry(style("--map-alarm"), "cross", "question, not answered"));
    }
  };

  const SHAPES = { dot: "M1 5a4 4 0 1 0 8 0a4 4 0 1 0-8 0Z", diamond: "M5 1 9 5 5 9 1 5Z", cross: "M1 1 9 9M9 1 1 9" };
  const entry = (ink, shape, text) => {
    const item = document.createElement("li"), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    svg.setAttribute("viewBox", "0 0 10 10");
    path.setAttribute("d", SHAPES[shape]);
    path.setAttribute("fill", shape === "dot" ? ink : "none");
    path.setAttribute("stroke", shape === "dot" ? "none" : ink);
    path.setAttribute("stroke-width", "1.8");
    svg.append(path);
    item.append(svg, text);
    return item;
  };

  const address = (n) => {
    const url = data.base + data.url[n];
    if (/^https?:\/\//i.test(url)) return url;
    return document.body.classList.contains("alone") ? null : "/document?url=" + encodeURIComponent(url);
  };
  const open = (n) => { const url = address(n); if (url) window.open(url, "_blank", "noopener,noreferrer"); };

  const counted = (count, nouns) => `${count.toLocaleString("en")} ${count === 1 ? nouns.slice(0, -1) : nouns}`;

  const search = () => {
    const words = find("find").value.toLowerCase().split(/\s+/).filter(Boolean);
    const holds = (text) => words.every((word) => text.includes(word));
    hits = words.length ? {
      points: new Set(data.haystack.flatMap((text, n) => (holds(text) ? [n] : []))),
      questions: new Set(data.asked.flatMap((text, n) => (holds(text) ? [n] : []))),
    } : null;
    said.textContent = hits
      ? `${counted(hits.points.size, data.unit)} and ${counted(hits.questions.size, "questions")} found`
      : data.summary;
    find("hits").replaceChildren(...[...(hits ? hits.points : [])].slice(0, MOST_HITS).map((n) => {
      const item = document.createElement("li"), url = address(n), link = document.createElement(url ? "a" : "span");
      if (url) { link.href = url; link.target = "_blank"; link.rel = "noopener noreferrer"; }
      link.textContent = data.title[n];
      item.append(link);
      return item;
    }));
    draw();
  };

  // The point or question under a place; questions are above.
  const under = (x, y, reach) => {
    let best = null, nearest = Infinity;
    const consider = (kind, n, [atX, atY], size) => {
      const distance = Math.hypot(atX - x, atY - y) - size;
      if (distance < reach && distance < nearest) { nearest = distance; best = { kind, n, x: atX, y: atY }; }
    };
    if (isAsked()) data.questions.forEach((_, n) => consider("question", n, placeOfQuestion(n), sizeOfQuestion(n)));
    if (best && nearest <= 0) return best;
    for (let n = 0; n < data.title.length; n++) consider("point", n, placed(layout.x[n], layout.y[n]), sizeOf(n));
    return best;
  };

  const show = (found) => {
    hovered = found;
    canvas.classList.toggle("over", Boolean(found && found.kind === "point" && address(found.n)));
    hint.hidden = !found;
    if (found) {
      const title = document.createElement("b"), about = document.createElement("i"), text = document.createElement("span");
      if (found.kind === "point") {
        const n = found.n, cites = data.cites[n];
        title.textContent = data.title[n];
        about.textContent = `${data.sources[data.source[n]]} · ${data.kinds[data.kind[n]]} · ${cites} citation${cites === 1 ? "" : "s"}`;
        text.textContent = data.text[n];
      } else {
        const [asked, answered, times] = data.questions[found.n];
        title.textContent = asked;
        about.textContent = `asked ${times === 1 ? "once" : times + " times"}, ${answered ? "answered" : "not answered"}`;
      }
      hint.replaceChildren(title, about, text);
      const left = Math.max(4, Math.min(width - hint.offsetWidth - 4, found.x + 12));
      const below = found.y + 14 + hint.offsetHeight < height;
      hint.style.left = `${left}px`;
      hint.style.top = `${Math.max(4, below ? found.y + 14 : found.y - hint.offsetHeight - 14)}px`;
    }
    draw();
  };

  const zoomed = (x, y, factor) => {
    const zoom = Math.max(0.6, Math.min(60, view.zoom * factor)), share = 1 - view.zoom / zoom;
    view.x += ((x - width / 2) * share) / wide();
    view.y -= ((y - height / 2) * share) / high();
    view.zoom = zoom;
    show(null);
  };

  const resize = () => {
    const scale = window.devicePixelRatio || 1;
    width = picture.clientWidth;
    height = picture.clientHeight;
    canvas.width = width * scale;
    canvas.height = height * scale;
    draw();
  };

  // One pointer hovers, drags and clicks; two pinch.
  const pointers = new Map();
  let moved = false, spread = 0;
  const at = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    moved = pointers.size > 1;
    spread = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event), before = pointers.get(event.pointerId);
    if (!before) { show(under(x, y, REACH)); return; }
    if (!moved && Math.hypot(x - before[0], y - before[1]) < 4) return;
    moved = true;
    pointers.set(event.pointerId, [x, y]);
    if (pointers.size === 1) {
      view.x -= (x - before[0]) / wide();
      view.y += (y - before[1]) / high();
      show(null);
    } else {
      const [one, two] = [...pointers.values()], apart = Math.hypot(one[0] - two[0], one[1] - two[1]);
      if (spread) zoomed((one[0] + two[0]) / 2, (one[1] + two[1]) / 2, apart / spread);
      spread = apart;
    }
  });
  const released = (event) => {
    const [x, y] = at(event), isTouch = event.pointerType === "touch";
    pointers.delete(event.pointerId);
    spread = 0;
    if (moved || event.type === "pointercancel") return;
    const found = under(x, y, isTouch ? 16 : REACH), again = found && hovered && found.kind === hovered.kind && found.n === hovered.n;
    // A finger cannot hover: its first touch shows what the second opens.
    if (found && found.kind === "point" && (!isTouch || again)) open(found.n);
    show(found);
  };
  canvas.addEventListener("pointerup", released);
  canvas.addEventListener("pointercancel", released);
  canvas.addEventListener("pointerleave", () => { if (!pointers.size) show(null); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomed(event.offsetX, event.offsetY, Math.exp(-event.deltaY * 0.0015));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = 0.1 / view.zoom, keys = {
      ArrowLeft: () => { view.x -= step; }, ArrowRight: () => { view.x += step; },
      ArrowUp: () => { view.y += step; }, ArrowDown: () => { view.y -= step; },
      "+": () => zoomed(width / 2, height / 2, 1.3), "-": () => zoomed(width / 2, height / 2, 1 / 1.3), 0: whole,
    };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); draw(); }
  });

  find("find").form.addEventListener("submit", (event) => event.preventDefault());
  find("find").addEventListener("input", () => { show(null); search(); });
  find("layout").addEventListener("change", choose);
  find("colour").addEventListener("change", () => { legend(); draw(); });
  find("questions").addEventListener("change", () => show(null));
  find("reset").addEventListener("click", () => { whole(); draw(); });

  const own = find("data");
  if (own) start(JSON.parse(own.textContent));
  else {
    fetch("/map/data").then(async (reply) => {
      const given = await reply.json();
      if (reply.ok) start(given);
      else said.textContent = given.error;
    }).catch(() => { said.textContent = "The map could not be loaded."; });
  }
})();

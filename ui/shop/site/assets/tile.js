// Draws a picture for every product: from its SKU, always the same, and of the noun in its name if that is known.

import { s } from "./dom.js";

/** tile draws a product. The name beside it says the same, so the picture is hidden from screen readers. */
export function tile({ sku, name }) {
  const draw = dice(sku);
  const colours = draw.of(palettes);
  const motif = motifs.find(([words]) => words.test(name))?.[1] ?? draw.of(shapes);
  return s(
    "svg",
    { viewBox: "0 0 200 200", class: "tile", "aria-hidden": "true", focusable: "false" },
    s("rect", { width: 200, height: 200, fill: colours.ground }),
    draw.of(backdrops)(colours, draw),
    motif(colours, draw),
  );
}

// dice returns the same numbers for the same text (FNV-1a, then a linear congruence).
function dice(text) {
  let state = 2166136261;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 16777619) >>> 0;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  next();
  return { next, of: (list) => list[Math.floor(next() * list.length)] };
}

const palettes = [
  { ground: "#e9e2d3", back: "#ddd2bb", main: "#b5573a", side: "#2f4a43", light: "#f7efe0" },
  { ground: "#d9e0d6", back: "#c6d1c4", main: "#3f6a57", side: "#c98b4b", light: "#f4f2e7" },
  { ground: "#e6dad6", back: "#d9c7c1", main: "#8c4256", side: "#38485c", light: "#f8eeea" },
  { ground: "#d5dde4", back: "#c1cdd8", main: "#35536f", side: "#cf7f57", light: "#f2f4f2" },
  { ground: "#ece0c6", back: "#e2d0a8", main: "#a8742a", side: "#4a5b3c", light: "#fbf4e2" },
  { ground: "#dedae6", back: "#cdc7da", main: "#5a4a7c", side: "#c07a6b", light: "#f5f1f6" },
  { ground: "#d3e0df", back: "#bdd1cf", main: "#27615f", side: "#b8563f", light: "#eff5ef" },
  { ground: "#ead6c8", back: "#dfc2ae", main: "#6f4632", side: "#5c7a6a", light: "#faf0e6" },
];

const circle = (cx, cy, r, fill) => s("circle", { cx, cy, r, fill });
const rect = (x, y, width, height, fill, rx = 0) => s("rect", { x, y, width, height, fill, rx });
const path = (d, fill, more = {}) => s("path", { d, fill, ...more });
const stroke = (d, colour, width = 6) =>
  path(d, "none", { stroke: colour, "stroke-width": width, "stroke-linecap": "round", "stroke-linejoin": "round" });

const backdrops = [
  (c) => circle(100, 100, 78, c.back),
  (c) => rect(0, 138, 200, 62, c.back),
  (c) => path("M36 200V104a64 64 0 0 1 128 0V200Z", c.back),
  (c) => [circle(146, 60, 44, c.back), rect(0, 146, 200, 54, c.back)],
  (c) => path("M0 200L200 0V200Z", c.back),
  (c) => [0, 1, 2, 3, 4].map((i) => rect(i * 44 - 4, 0, 20, 200, c.back)),
];

const heart = (x, y, k, fill) =>
  path(
    `M${x} ${y + 38 * k}C${x - 62 * k} ${y - 2 * k} ${x - 34 * k} ${y - 46 * k} ${x} ${y - 18 * k}C${x + 34 * k} ${y - 46 * k} ${x + 62 * k} ${y - 2 * k} ${x} ${y + 38 * k}Z`,
    fill,
  );
const star = (x, y, r, fill) =>
  path(
    Array.from({ length: 10 }, (_, i) => {
      const [a, q] = [(Math.PI * i) / 5 - Math.PI / 2, i % 2 ? r * 0.45 : r];
      return `${i ? "L" : "M"}${(x + q * Math.cos(a)).toFixed(1)} ${(y + q * Math.sin(a)).toFixed(1)}`;
    }).join("") + "Z",
    fill,
  );
const flower = (x, y, r, petal, eye) =>
  [0, 1, 2, 3, 4]
    .map((i) => {
      const a = (Math.PI * 2 * i) / 5 - Math.PI / 2;
      return circle(x + r * Math.cos(a), y + r * Math.sin(a), r * 0.72, petal);
    })
    .concat(circle(x, y, r * 0.6, eye));

const mug = (c) => [
  stroke("M132 92h10a20 20 0 0 1 0 40h-10", c.main, 10),
  path("M62 72h72v60a22 22 0 0 1-22 22H84a22 22 0 0 1-22-22Z", c.main),
  rect(62, 88, 72, 12, c.light),
  heart(98, 122, 0.32, c.light),
];
const bottle = (c) => [
  rect(86, 40, 28, 24, c.side, 6),
  path("M74 78c0-10 8-16 16-16h20c8 0 16 6 16 16v66a18 18 0 0 1-18 18H92a18 18 0 0 1-18-18Z", c.main),
  rect(74, 96, 52, 34, c.light),
  heart(100, 112, 0.26, c.side),
];
const bag = (c) => [
  stroke("M76 84V70a24 24 0 0 1 48 0v14", c.side, 8),
  path("M56 80h88l8 78H48Z", c.main),
  circle(82, 108, 9, c.light),
  circle(118, 108, 9, c.light),
  circle(100, 134, 9, c.light),
  circle(68, 138, 6, c.light),
  circle(132, 138, 6, c.light),
];
const lantern = (c) => [
  stroke("M84 58a16 16 0 0 1 32 0", c.side, 6),
  path("M70 76L84 56h32l14 20Z", c.side),
  rect(72, 76, 56, 74, c.light),
  rect(66, 148, 68, 12, c.side, 3),
  rect(70, 74, 6, 76, c.side),
  rect(124, 74, 6, 76, c.side),
  rect(90, 112, 20, 36, c.main, 3),
  path("M100 88c9 11 9 18 0 22c-9-4-9-11 0-22Z", "#e6a23c"),
];
const clock = (c) => [
  circle(72, 58, 16, c.side),
  circle(128, 58, 16, c.side),
  stroke("M66 146l-10 14M134 146l10 14", c.side, 9),
  circle(100, 106, 54, c.main),
  circle(100, 106, 40, c.light),
  stroke("M100 82v24l16 12", c.side, 6),
];
const box = (c) => [
  rect(52, 92, 96, 66, c.main, 6),
  rect(46, 72, 108, 28, c.side, 6),
  rect(92, 72, 16, 86, c.light),
  path("M100 72c-24-30-40-12-26 0ZM100 72c24-30 40-12 26 0Z", c.light),
];
const tin = (c) => [
  path("M58 76h84v68c0 12-84 12-84 0Z", c.main),
  s("ellipse", { cx: 100, cy: 76, rx: 42, ry: 13, fill: c.light }),
  rect(58, 98, 84, 24, c.side),
  circle(100, 110, 16, c.light),
  circle(100, 56, 8, c.side),
];
const frame = (c, d) => [
  rect(54, 46, 92, 112, c.main, 4),
  rect(66, 58, 68, 88, c.light),
  circle(114, 82, 11, "#e6a23c"),
  path("M66 146v-26l22-24l20 22l12-10l14 16v22Z", c.side),
];
const sign = (c) => [
  stroke("M68 82L100 48l32 34", c.side, 5),
  rect(46, 80, 108, 62, c.main, 10),
  rect(54, 88, 92, 46, "none", 6),
  stroke("M66 104h68M78 120h44", c.light, 6),
];
const cloth = (c, d) => [
  rect(50, 50, 100, 100, c.main, 8),
  ...[0, 1, 2, 3].flatMap((i) =>
    [0, 1, 2, 3].map((j) =>
      (i + j) % 2 ? circle(65 + i * 23.4, 65 + j * 23.4, 7, c.light) : rect(60 + i * 23.4, 60 + j * 23.4, 10, 10, c.side),
    ),
  ),
];
const bowl = (c) => [
  path("M44 92h112c0 40-24 62-56 62s-56-22-56-62Z", c.main),
  s("ellipse", { cx: 100, cy: 92, rx: 56, ry: 14, fill: c.side }),
  circle(74, 122, 6, c.light),
  circle(100, 130, 6, c.light),
  circle(126, 122, 6, c.light),
];
const plate = (c) => [
  circle(100, 104, 58, c.light),
  circle(100, 104, 58, "none"),
  s("circle", { cx: 100, cy: 104, r: 50, fill: "none", stroke: c.main, "stroke-width": 6 }),
  flower(100, 104, 15, c.side, "#e6a23c"),
];
const letter = (c) => [
  rect(44, 66, 112, 76, c.light, 4),
  path("M44 70l56 42l56-42v-4H44Z", c.main),
  circle(100, 112, 13, c.side),
  heart(100, 112, 0.15, c.light),
];
const tree = (c) => [
  rect(93, 138, 14, 24, c.side),
  path("M100 40l30 42h-16l26 34h-18l26 32H52l26-32H60l26-34H70Z", c.main),
  star(100, 42, 12, "#e6a23c"),
  circle(92, 96, 5, c.light),
  circle(112, 120, 5, c.light),
  circle(84, 132, 5, c.light),
];
const bauble = (c) => [
  stroke("M100 0v58", c.side, 3),
  rect(92, 54, 16, 14, "#d9a441", 3),
  circle(100, 108, 44, c.main),
  path("M58 96h84c2 8 2 16 0 24H58c-2-8-2-16 0-24Z", c.light),
  star(100, 108, 10, c.side),
];
const bunting = (c) => [
  stroke("M8 60q92 56 184 0", c.side, 4),
  ...[
    [24, 68, c.main],
    [62, 84, c.light],
    [100, 88, c.side],
    [138, 84, c.main],
    [176, 68, c.light],
  ].map(([x, y, f]) => path(`M${x - 17} ${y - 2}h34L${x} ${y + 46}Z`, f)),
];
const bird = (c) => [
  path("M48 118c0-34 28-50 54-42c10-16 34-14 38 4l18 8l-18 6c0 36-24 52-52 52c-22 0-40-10-40-28Z", c.main),
  path("M70 112c18-10 38-4 42 14c-18 10-36 4-42-14Z", c.light),
  circle(124, 84, 5, c.light),
  stroke("M88 146v16M104 146v16", c.side, 5),
];
const umbrella = (c) => [
  path("M36 104a64 64 0 0 1 128 0c-8-10-24-10-32 0c-8-10-24-10-32 0c-8-10-24-10-32 0c-8-10-24-10-32 0Z", c.main),
  path("M68 104c0-34 14-58 32-64c18 6 32 30 32 64c-8-10-24-10-32 0c-8-10-24-10-32 0Z", c.side),
  stroke("M100 98v48a12 12 0 0 0 24 0", c.light, 6),
];
const cutlery = (c) => [
  stroke("M74 46v32a12 12 0 0 0 24 0V46M86 46v112", c.main, 8),
  s("ellipse", { cx: 126, cy: 70, rx: 16, ry: 25, fill: c.side }),
  stroke("M126 92v66", c.side, 8),
];
const plant = (c) => [
  stroke("M100 118V70", c.side, 5),
  flower(100, 64, 19, c.main, "#e6a23c"),
  path("M100 110c-26 2-34-14-36-26c20 0 34 8 36 26ZM100 110c26 2 34-14 36-26c-20 0-34 8-36 26Z", c.side),
  path("M66 112h68l-9 48H75Z", c.light),
  rect(62, 106, 76, 14, c.light, 3),
];
const jug = (c) => [
  stroke("M134 84c28-2 26 48-6 46", c.main, 9),
  path("M74 52h44l14-6l-6 26c10 18 14 34 8 56c-4 18-14 28-34 28s-30-10-34-28c-6-22 2-38 12-52Z", c.main),
  path("M62 116c22-10 50 10 74 0c0 22-12 40-36 40s-38-18-38-40Z", c.light),
];
const hooks = (c) => [
  rect(34, 74, 132, 26, c.main, 8),
  ...[64, 100, 136].map((x) => stroke(`M${x} 92v26a11 11 0 0 0 22 0`, c.side, 7)),
  heart(100, 58, 0.3, c.side),
];
const drawers = (c) => [
  rect(50, 46, 100, 108, c.main, 6),
  ...[54, 90, 126].map((y, i) => [
    rect(58, y, 84, i === 2 ? 22 : 30, c.light, 3),
    circle(100, y + (i === 2 ? 11 : 15), 5, c.side),
  ]),
  rect(56, 154, 10, 10, c.side),
  rect(134, 154, 10, 10, c.side),
];
const top = (c) => [
  rect(95, 40, 10, 34, c.side, 4),
  path("M44 92c0-14 112-14 112 0c0 22-44 58-56 72c-12-14-56-50-56-72Z", c.main),
  path("M46 96c20 10 88 10 108 0c-2 8-8 16-14 24c-20 8-60 8-80 0c-6-8-12-16-14-24Z", c.light),
];
const candle = (c) => [
  path("M100 40c14 18 14 28 0 36c-14-8-14-18 0-36Z", "#e6a23c"),
  rect(82, 80, 36, 56, c.light, 4),
  path("M54 128h92c0 20-18 32-46 32s-46-12-46-32Z", c.main),
  rect(82, 96, 36, 6, c.side),
];
const jewel = (c) => [
  stroke("M50 60c6 60 94 60 100 0", c.side, 4),
  ...[-2, -1, 0, 1, 2].map((i) => circle(100 + i * 19, 104 - Math.abs(i) * Math.abs(i) * 3.4, 8, i % 2 ? c.light : c.main)),
  path("M100 116l18 20l-18 28l-18-28Z", c.main),
];
const cakes = (c) => [
  path("M66 108h68l-10 50H76Z", c.side),
  stroke("M84 112l4 44M100 112v44M116 112l-4 44", c.light, 3),
  path("M58 110c-6-24 18-22 18-34c4-20 44-20 48 0c0 12 24 10 18 34Z", c.main),
  circle(100, 60, 10, "#c2413b"),
];
const wicker = (c) => [
  stroke("M60 96a40 44 0 0 1 80 0", c.side, 8),
  path("M46 94h108l-12 62H58Z", c.main),
  ...[108, 124, 140].map((y) => stroke(`M${52 + (y - 108) / 5} ${y}h${96 - (y - 108) / 2.5}`, c.light, 4)),
];
const book = (c) => [
  rect(54, 48, 88, 112, c.main, 5),
  rect(54, 48, 16, 112, c.side, 4),
  rect(84, 70, 44, 30, c.light, 3),
  stroke("M92 80h28M92 90h18", c.side, 3),
];

const motifs = [
  [/heart/i, (c) => [stroke("M100 0v66", c.side, 3), heart(100, 104, 1.25, c.main), heart(100, 104, 0.62, c.light)]],
  [/mug|cup\b|teacup|coffee/i, mug],
  [/bottle/i, bottle],
  [/bag|shopper/i, bag],
  [/lantern|light\b|lights|lamp/i, lantern],
  [/candle|t-light|holder/i, candle],
  [/clock|timer/i, clock],
  [/cake|cookie|baking|mould/i, cakes],
  [/christmas|tree|reindeer/i, tree],
  [/bauble|decoration|ball\b/i, bauble],
  [/bunting|garland|ribbon|charm/i, bunting],
  [/umbrella|parasol/i, umbrella],
  [/bird|duck|owl|hen|egg|dove/i, bird],
  [/frame|mirror|picture|photo|magnet/i, frame],
  [/sign|plaque|chalk|slate/i, sign],
  [/basket|hamper/i, wicker],
  [/tin\b|tins|caddy|canister|bin\b/i, tin],
  [/box|case|gift|pack of/i, box],
  [/bowl|dish|bath/i, bowl],
  [/plate|saucer|tray|platter/i, plate],
  [/card|letter|envelope|stamp/i, letter],
  [/book|journal|note|diary|calculator/i, book],
  [/cutlery|spoon|fork|knife|kit\b|set of 4 k/i, cutlery],
  [/plant|flower|garden|rose|daisy|tulip|herb|lavender|pot\b/i, plant],
  [/jug|jar|teapot|glass|vase|watering/i, jug],
  [/hook|hanger|rack|coat/i, hooks],
  [/drawer|cabinet|sideboard|chest|stand\b|shelf/i, drawers],
  [/cushion|doormat|rug|towel|napkin|wrap|tissue|paper|cover|blanket|apron|mat\b|warmer|cosy/i, cloth],
  [/toy|top|game|skittle|doll|block|jigsaw|harmonica|puppet/i, top],
  [/necklace|bracelet|earring|ring\b|jewel|brooch|hair/i, jewel],
];

// Shapes for names without a known noun.
const shapes = [
  (c) => [circle(100, 104, 52, c.main), path("M48 104a52 52 0 0 1 104 0Z", c.side), circle(100, 104, 16, c.light)],
  (c) => [
    rect(48, 48, 50, 50, c.main),
    path("M102 98V48a50 50 0 0 1 50 50Z", c.side),
    path("M98 102v50a50 50 0 0 1-50-50Z", c.light),
    circle(127, 127, 25, c.main),
  ],
  (c) => [
    path("M60 158V96a40 40 0 0 1 80 0v62Z", c.main),
    path("M78 158V98a22 22 0 0 1 44 0v60Z", c.light),
    circle(100, 48, 12, c.side),
  ],
  (c) => flower(100, 100, 32, c.main, c.light),
  (c) => [star(100, 102, 60, c.main), circle(100, 102, 17, c.light)],
];

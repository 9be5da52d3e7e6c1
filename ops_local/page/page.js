// Draws each chart of #charts into the element of its name, in the colours of the day or the night.
(() => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const color = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const config = () => {
    const text = color("--text");
    const quiet = color("--quiet");
    const line = color("--line");
    return {
      background: "transparent",
      font: "system-ui, sans-serif",
      view: { stroke: "transparent" },
      axis: { labelColor: quiet, titleColor: quiet, domainColor: line, tickColor: line, gridColor: line,
              labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" },
      legend: { labelColor: text, titleColor: quiet, labelFontSize: 13, symbolSize: 110 },
      text: { color: text, fontSize: 12 },
      rule: { color: quiet },
      range: { category: [color("--first"), color("--second"), color("--third"), color("--fourth")] },
    };
  };

  const draw = () =>
    Object.entries(specs).forEach(([name, spec]) => {
      const place = document.getElementById(name);
      const options = { actions: false, bind: `#${name}-choice`, renderer: "svg", config: config(),
                        tooltip: { theme: dark.matches ? "dark" : "light" } };
      vegaEmbed(place, spec, options).catch((error) => {
        place.textContent = `This chart could not be drawn: ${error.message}`;
      });
    });

  dark.addEventListener("change", draw);
  draw();
})();

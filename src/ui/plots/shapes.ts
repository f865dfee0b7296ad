/** One shape a role: ring = start, dot = particle, diamond = average, star = best. SVG path data round (0, 0). */
export function star(radius: number): string {
  const tips: string[] = [];
  for (let i = 0; i < 10; i++) {
    const r = i % 2 === 0 ? radius : radius * 0.42;
    const turn = (Math.PI * i) / 5 - Math.PI / 2;
    tips.push(`${(r * Math.cos(turn)).toFixed(2)},${(r * Math.sin(turn)).toFixed(2)}`);
  }
  return `M${tips.join("L")}Z`;
}

export const diamond = (radius: number): string => `M0,${-radius}L${radius * 0.72},0L0,${radius}L${-radius * 0.72},0Z`;

/** Arrow head at (x, y), pointing along (dx, dy). */
export function arrowHead(x: number, y: number, dx: number, dy: number, size = 5): string {
  const length = Math.hypot(dx, dy) || 1;
  const [ux, uy] = [dx / length, dy / length];
  const [bx, by] = [x - ux * size, y - uy * size];
  const wing = size * 0.55;
  return `M${x},${y}L${bx - uy * wing},${by + ux * wing}L${bx + uy * wing},${by - ux * wing}Z`;
}

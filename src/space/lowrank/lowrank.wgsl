// Four neighbouring elements of L·R (addLowRank in checkpoint/lora/factors.ts, without its scale), sums in f32. `place`: first vec4
// of L and of R in `factors`, vec4 in a row of L, columns of R. Rows of L and R are filled up with zeros to whole vec4, R to as
// many rows as a row of L has numbers; rows of zeros follow L, for what is read past a tensor's end.
fn lowRank(place: vec4<u32>, element: u32) -> vec4<f32> {
  var sum = vec4<f32>();
  if (place.z == 0u) { return sum; }
  let wide = (place.w + 3u) / 4u;
  var row = element / place.w;
  var column = element - row * place.w;
  if (place.w % 4u == 0u) {
    for (var k = 0u; k < place.z; k++) {
      let l = factors[place.x + row * place.z + k];
      let r = place.y + 4u * k * wide + column / 4u;
      sum += l.x * factors[r] + l.y * factors[r + wide] + l.z * factors[r + 2u * wide] + l.w * factors[r + 3u * wide];
    }
    return sum;
  }
  for (var j = 0u; j < 4u; j++) {
    for (var k = 0u; k < place.z; k++) {
      let l = factors[place.x + row * place.z + k];
      let r = place.y + 4u * k * wide + column / 4u;
      let c = column & 3u;
      sum[j] += dot(l, vec4<f32>(factors[r][c], factors[r + wide][c], factors[r + 2u * wide][c], factors[r + 3u * wide][c]));
    }
    column++;
    if (column == place.w) {
      column = 0u;
      row++;
    }
  }
  return sum;
}

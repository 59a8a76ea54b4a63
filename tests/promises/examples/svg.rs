//! What the examples that draw cells have drawn.

/// The cells of a picture by row and column, without so many at its edges: `M3,4h2v1h-2z` is two of them.
pub(super) fn cells(svg: &str, edge: usize) -> Vec<Vec<bool>> {
    let quoted = |after: &str| svg.split(after).nth(1).and_then(|rest| rest.split('"').next()).expect("an attribute");
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let size: Vec<_> = quoted("viewBox=\"").split(' ').map(number).collect();
    let mut cells = vec![vec![false; size[2] - 2 * edge]; size[3] - 2 * edge];
    for run in quoted(" d=\"").split('M').skip(1) {
        let (column, rest) = run.split_once(',').expect("a place");
        let (row, rest) = rest.split_once('h').expect("a length");
        let (length, _) = rest.split_once('v').expect("a height");
        let column = number(column) - edge;
        cells[number(row) - edge][column..column + number(length)].fill(true);
    }
    cells
}

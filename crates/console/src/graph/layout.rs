//! Where the nodes of a layered graph go.
//!
//! Longest paths give the columns, a few sweeps by the mean place of neighbours give the order
//! within each, and an edge that passes a column gets a lane of its own there, so that it crosses no
//! node. Edges that follow from others are left out of the picture.

/// A graph to lay out: how many nodes, and which comes before which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// How many nodes; they are named by their index.
    pub nodes: usize,
    /// From, to. An edge that closes a circle or names no node is ignored.
    pub edges: Vec<(usize, usize)>,
}

/// Sizes in the units of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of a node.
    pub width: i64,
    /// Of a node.
    pub height: i64,
    /// Between columns.
    pub gap_x: i64,
    /// Between nodes of a column.
    pub gap_y: i64,
}

/// Where everything goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The top left corner of each node.
    pub nodes: Vec<(i64, i64)>,
    /// The points each edge passes, from the right side of one node to the left side of another.
    pub edges: Vec<Route>,
    /// The whole picture.
    pub width: i64,
    /// The whole picture.
    pub height: i64,
    /// How many columns there are.
    pub columns: usize,
}

/// The way of one edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// From which node.
    pub from: usize,
    /// To which node.
    pub to: usize,
    /// The points it passes, left to right.
    pub points: Vec<(i64, i64)>,
}

/// Sweeps over the columns; more change nothing for graphs of this size.
const SWEEPS: usize = 8;

/// Lays the graph out.
#[must_use]
pub fn layout(graph: &Graph, sizes: Sizes) -> Layout {
    let edges = reduced(&acyclic(graph));
    let column = columns(graph.nodes, &edges);
    let mut slots = Slots::new(graph.nodes, &edges, &column);
    slots.order();
    slots.place(sizes)
}

/// How many columns the graph needs.
#[must_use]
pub fn depth(graph: &Graph) -> usize {
    columns(graph.nodes, &acyclic(graph)).into_iter().max().map_or(0, |last| last + 1)
}

/// The edges that close no circle, each once.
fn acyclic(graph: &Graph) -> Vec<(usize, usize)> {
    let mut kept: Vec<(usize, usize)> = Vec::new();
    for &(from, to) in &graph.edges {
        let is_usable = from < graph.nodes && to < graph.nodes && !kept.contains(&(from, to));
        if is_usable && from != to && !reaches(&kept, to, from) {
            kept.push((from, to));
        }
    }
    kept
}

fn reaches(edges: &[(usize, usize)], from: usize, goal: usize) -> bool {
    let mut seen = vec![from];
    let mut at = 0;
    while let Some(&node) = seen.get(at) {
        if node == goal {
            return true;
        }
        for &(_, next) in edges.iter().filter(|(start, _)| *start == node) {
            if !seen.contains(&next) {
                seen.push(next);
            }
        }
        at += 1;
    }
    false
}

/// The edges without those that follow from others.
fn reduced(edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let is_direct = |&(from, to): &(usize, usize)| {
        let mut others = edges.iter().filter(|&&(start, next)| start == from && next != to);
        !others.any(|&(_, next)| reaches(edges, next, to))
    };
    edges.iter().copied().filter(is_direct).collect()
}

/// The column of each node: the length of the longest path to it.
fn columns(nodes: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut column = vec![0; nodes];
    // Without circles a path has at most as many edges as there are nodes.
    for _ in 0..nodes {
        for &(from, to) in edges {
            column[to] = column[to].max(column[from] + 1);
        }
    }
    column
}

/// A place in a column: a node, or the lane of a passing edge.
#[derive(Clone, Copy)]
struct Slot {
    column: usize,
    is_node: bool,
}

struct Slots {
    slots: Vec<Slot>,
    /// Neighbouring slots, left to right.
    links: Vec<(usize, usize)>,
    /// Each edge as the slots it passes.
    chains: Vec<Vec<usize>>,
    /// The slots of each column from top to bottom.
    columns: Vec<Vec<usize>>,
    nodes: usize,
}

impl Slots {
    fn new(nodes: usize, edges: &[(usize, usize)], column: &[usize]) -> Self {
        let mut slots: Vec<Slot> =
            (0..nodes).map(|node| Slot { column: column[node], is_node: true }).collect();
        let mut chains = Vec::new();
        let mut links = Vec::new();
        for &(from, to) in edges {
            let mut chain = vec![from];
            for passed in column[from] + 1..column[to] {
                chain.push(slots.len());
                slots.push(Slot { column: passed, is_node: false });
            }
            chain.push(to);
            links.extend(chain.windows(2).map(|pair| (pair[0], pair[1])));
            chains.push(chain);
        }
        let count = slots.iter().map(|slot| slot.column + 1).max().unwrap_or(0);
        let mut columns = vec![Vec::new(); count];
        for (index, slot) in slots.iter().enumerate() {
            columns[slot.column].push(index);
        }
        Self { slots, links, chains, columns, nodes }
    }

    /// Orders each column by where its neighbours are, going right and then left again.
    fn order(&mut self) {
        let count = self.columns.len();
        for sweep in 0..SWEEPS {
            let rightward = sweep % 2 == 0;
            for step in 1..count {
                let column = if rightward { step } else { count - 1 - step };
                let places = self.places();
                let key = |slot: usize| self.mean(slot, rightward, &places);
                let mut ordered: Vec<(i64, usize)> =
                    self.columns[column].iter().map(|slot| (key(*slot), *slot)).collect();
                // A stable sort keeps the order of the file where nothing speaks for another.
                ordered.sort_by_key(|(mean, _)| *mean);
                self.columns[column] = ordered.into_iter().map(|(_, slot)| slot).collect();
            }
        }
    }

    /// Where each slot is in its column, measured from the middle, in thousandths.
    fn places(&self) -> Vec<i64> {
        let mut places = vec![0; self.slots.len()];
        for column in &self.columns {
            let middle = (column.len() as i64 - 1) * 500;
            for (at, slot) in column.iter().enumerate() {
                places[*slot] = at as i64 * 1000 - middle;
            }
        }
        places
    }

    fn mean(&self, slot: usize, of_left: bool, places: &[i64]) -> i64 {
        let neighbours = self.links.iter().filter_map(|&(left, right)| match of_left {
            true if right == slot => Some(places[left]),
            false if left == slot => Some(places[right]),
            _ => None,
        });
        let (sum, count) = neighbours.fold((0, 0), |(sum, count), place| (sum + place, count + 1));
        if count == 0 { places[slot] } else { sum / count }
    }

    fn place(&self, sizes: Sizes) -> Layout {
        let lane = sizes.gap_y;
        let extent = |slot: &usize| if self.slots[*slot].is_node { sizes.height } else { lane };
        let heights: Vec<i64> = self
            .columns
            .iter()
            .map(|column| {
                let gaps = (column.len() as i64 - 1).max(0) * sizes.gap_y;
                column.iter().map(extent).sum::<i64>() + gaps
            })
            .collect();
        let height = heights.iter().copied().max().unwrap_or(0);
        let mut middle = vec![0; self.slots.len()];
        for (column, own) in self.columns.iter().zip(&heights) {
            let mut y = (height - own) / 2;
            for slot in column {
                middle[*slot] = y + extent(slot) / 2;
                y += extent(slot) + sizes.gap_y;
            }
        }
        let left = |slot: usize| self.slots[slot].column as i64 * (sizes.width + sizes.gap_x);
        let nodes = (0..self.nodes).map(|n| (left(n), middle[n] - sizes.height / 2)).collect();
        let edges = self.chains.iter().map(|chain| {
            let mut points = Vec::new();
            for (at, slot) in chain.iter().enumerate() {
                if at > 0 {
                    points.push((left(*slot), middle[*slot]));
                }
                if at + 1 < chain.len() {
                    points.push((left(*slot) + sizes.width, middle[*slot]));
                }
            }
            Route { from: chain[0], to: chain[chain.len() - 1], points }
        });
        let columns = self.columns.len();
        let width = (columns as i64 * (sizes.width + sizes.gap_x) - sizes.gap_x).max(0);
        Layout { nodes, edges: edges.collect(), width, height, columns }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZES: Sizes = Sizes { width: 180, height: 44, gap_x: 40, gap_y: 12 };

    fn graphs() -> impl Strategy<Value = Graph> {
        (1usize..14).prop_flat_map(|nodes| {
            let edges = proptest::collection::vec((0..nodes, 0..nodes), 0..30);
            edges.prop_map(move |edges| Graph { nodes, edges })
        })
    }

    fn overlap(a: (i64, i64), b: (i64, i64)) -> bool {
        (a.0 - b.0).abs() < SIZES.width && (a.1 - b.1).abs() < SIZES.height
    }

    proptest! {
        #[test]
        fn nodes_do_not_overlap_and_stay_inside(graph in graphs()) {
            let layout = layout(&graph, SIZES);
            for (index, node) in layout.nodes.iter().enumerate() {
                prop_assert!(node.0 >= 0 && node.0 + SIZES.width <= layout.width);
                prop_assert!(node.1 >= 0 && node.1 + SIZES.height <= layout.height);
                for other in &layout.nodes[..index] {
                    prop_assert!(!overlap(*node, *other), "{node:?} and {other:?}");
                }
            }
        }

        #[test]
        fn edges_go_from_left_to_right_and_cross_no_node(graph in graphs()) {
            let layout = layout(&graph, SIZES);
            for route in &layout.edges {
                let (from, to) = (layout.nodes[route.from], layout.nodes[route.to]);
                prop_assert_eq!(route.points[0], (from.0 + SIZES.width, from.1 + SIZES.height / 2));
                prop_assert_eq!(*route.points.last().unwrap(), (to.0, to.1 + SIZES.height / 2));
                prop_assert!(route.points.windows(2).all(|pair| pair[0].0 < pair[1].0));
                for pair in route.points[1..route.points.len() - 1].chunks(2) {
                    let in_lane = |node: &(i64, i64)| {
                        node.0 == pair[0].0 && (node.1..node.1 + SIZES.height).contains(&pair[0].1)
                    };
                    prop_assert!(!layout.nodes.iter().any(in_lane));
                }
            }
        }

        #[test]
        fn what_comes_before_is_further_left(graph in graphs()) {
            let layout = layout(&graph, SIZES);
            for (from, to) in acyclic(&graph) {
                prop_assert!(layout.nodes[from].0 < layout.nodes[to].0);
            }
        }

        #[test]
        fn the_same_graph_gives_the_same_picture(graph in graphs()) {
            prop_assert_eq!(layout(&graph, SIZES), layout(&graph, SIZES));
        }
    }

    #[test]
    fn an_edge_that_follows_from_others_is_not_drawn() {
        let graph = Graph { nodes: 3, edges: vec![(0, 1), (1, 2), (0, 2)] };
        let drawn: Vec<_> = layout(&graph, SIZES).edges.iter().map(|e| (e.from, e.to)).collect();
        assert_eq!(drawn, [(0, 1), (1, 2)]);
    }

    #[test]
    fn a_circle_is_cut_instead_of_hanging() {
        let graph = Graph { nodes: 2, edges: vec![(0, 1), (1, 0), (1, 1), (7, 0)] };
        assert_eq!(layout(&graph, SIZES).edges.len(), 1);
    }
}

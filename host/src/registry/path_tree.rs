//! A tree over the segments of route paths: finds the most specific route that takes a path and a method.
//!
//! At each segment a fixed name wins over a parameter and a parameter over a tail. A route that does not take the
//! method is passed over, so plugins may share a path with different methods, and a narrow route for one method does
//! not hide a wider one for another. Parameters may have any names: the tree knows only their places.

use std::collections::HashMap;

use http::Method;

use crate::config::Methods;

/// One segment of a route's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// Matches itself, byte for byte.
    Fixed(&'a str),
    /// `{name}`: one segment that is not empty.
    Param(&'a str),
    /// `{*name}`: the rest of the path, possibly empty.
    Tail(&'a str),
}

/// The segments of a route's path, which starts with `/`.
pub(super) fn segments(path: &str) -> impl Iterator<Item = Segment<'_>> {
    path.strip_prefix('/').unwrap_or(path).split('/').map(|segment| {
        match segment.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
            Some(name) => match name.strip_prefix('*') {
                Some(name) => Segment::Tail(name),
                None => Segment::Param(name),
            },
            None => Segment::Fixed(segment),
        }
    })
}

/// The names of the parameters in a route's path, in order.
pub(super) fn param_names(path: &str) -> impl Iterator<Item = &str> {
    segments(path).filter_map(|segment| match segment {
        Segment::Fixed(_) => None,
        Segment::Param(name) | Segment::Tail(name) => Some(name),
    })
}

/// The path with its parameters' names left out: equal for routes that match the same paths.
pub(super) fn shape(path: &str) -> String {
    let mut shape = String::with_capacity(path.len());
    for segment in segments(path) {
        shape.push('/');
        match segment {
            Segment::Fixed(name) => shape.push_str(name),
            Segment::Param(_) => shape.push_str("{}"),
            Segment::Tail(_) => shape.push_str("{*}"),
        }
    }
    shape
}

/// Routes by path and method.
#[derive(Debug)]
pub(super) struct PathTree<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    fixed: HashMap<Box<str>, Node<T>>,
    param: Option<Box<Node<T>>>,
    /// Routes that end at this node.
    here: Ends<T>,
    /// Routes whose tail starts at this node.
    tail: Ends<T>,
}

/// What ends at one place, by method.
#[derive(Debug)]
struct Ends<T> {
    only: Vec<(Method, T)>,
    any: Option<T>,
}

impl<T> Default for PathTree<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { fixed: HashMap::new(), param: None, here: Ends::default(), tail: Ends::default() }
    }
}

impl<T> Default for Ends<T> {
    fn default() -> Self {
        Self { only: Vec::new(), any: None }
    }
}

impl<T> Ends<T> {
    /// What takes the method. Naming a method wins over taking all; HEAD falls back to what takes GET.
    fn pick(&self, method: &Method) -> Option<&T> {
        let named = |wanted: &Method| self.only.iter().find(|(method, _)| method == wanted).map(|(_, value)| value);
        named(method).or_else(|| if method == Method::HEAD { named(&Method::GET) } else { None }).or(self.any.as_ref())
    }

    fn put(&mut self, methods: &Methods, value: &T)
    where
        T: Clone,
    {
        match methods {
            Methods::All => drop(self.any.get_or_insert_with(|| value.clone())),
            Methods::Only(methods) => {
                for method in methods {
                    if !self.only.iter().any(|(taken, _)| taken == method) {
                        self.only.push((method.clone(), value.clone()));
                    }
                }
            }
        }
    }
}

impl<T: Clone> PathTree<T> {
    /// Adds a route. Where another route holds the same place and method already, that one stays.
    pub(super) fn insert(&mut self, path: &str, methods: &Methods, value: &T) {
        let mut node = &mut self.root;
        for segment in segments(path) {
            node = match segment {
                Segment::Fixed(name) => node.fixed.entry(name.into()).or_default(),
                Segment::Param(_) => node.param.get_or_insert_default(),
                Segment::Tail(_) => return node.tail.put(methods, value),
            };
        }
        node.here.put(methods, value);
    }
}

impl<T> PathTree<T> {
    /// The most specific route for a path and a method, with the parameters' values as they stand in the path.
    ///
    /// When there is none, `allow` gains the methods under which the path would have been found.
    pub(super) fn find<'p>(
        &self,
        path: &'p str,
        method: &Method,
        allow: &mut Vec<Method>,
    ) -> Option<(&T, Vec<&'p str>)> {
        let mut walk = Walk { method, params: Vec::new(), allow };
        let value = walk.node(&self.root, Some(path.strip_prefix('/')?))?;
        Some((value, walk.params))
    }
}

/// One search through the tree.
struct Walk<'p, 'a> {
    method: &'a Method,
    params: Vec<&'p str>,
    allow: &'a mut Vec<Method>,
}

impl<'p> Walk<'p, '_> {
    /// `rest` is what of the path lies below this node; `None` when the path ends here. Goes as deep as the longest
    /// route at most, and visits each node at most once.
    fn node<'t, T>(&mut self, node: &'t Node<T>, rest: Option<&'p str>) -> Option<&'t T> {
        let Some(rest) = rest else { return self.end(&node.here) };
        let (segment, below) = match rest.split_once('/') {
            Some((segment, below)) => (segment, Some(below)),
            None => (rest, None),
        };
        if let Some(value) = node.fixed.get(segment).and_then(|next| self.node(next, below)) {
            return Some(value);
        }
        if let (Some(next), false) = (&node.param, segment.is_empty()) {
            self.params.push(segment);
            if let Some(value) = self.node(next, below) {
                return Some(value);
            }
            self.params.pop();
        }
        let value = self.end(&node.tail)?;
        self.params.push(rest);
        Some(value)
    }

    fn end<'t, T>(&mut self, ends: &'t Ends<T>) -> Option<&'t T> {
        let found = ends.pick(self.method);
        if found.is_none() {
            for (method, _) in &ends.only {
                self.allow.push(method.clone());
                if method == Method::GET {
                    self.allow.push(Method::HEAD);
                }
            }
        }
        found
    }
}

#[cfg(test)]
#[path = "path_tree_tests.rs"]
mod tests;

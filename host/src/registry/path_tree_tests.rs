//! The path tree against a model that tries every route.

use proptest::prelude::*;

use super::*;

/// How specific each segment of a route is; the route with the least list wins.
fn rank(path: &str) -> Vec<u8> {
    segments(path)
        .map(|segment| match segment {
            Segment::Fixed(_) => 0,
            Segment::Param(_) => 1,
            Segment::Tail(_) => 2,
        })
        .collect()
}

/// Whether a route matches a path, and with which values.
fn values(route: &str, path: &str) -> Option<Vec<String>> {
    let mut values = Vec::new();
    let mut rest = Some(path.strip_prefix('/')?.to_owned());
    for segment in segments(route) {
        let text = rest?;
        let (first, below) = match text.split_once('/') {
            Some((first, below)) => (first.to_owned(), Some(below.to_owned())),
            None => (text.clone(), None),
        };
        match segment {
            Segment::Fixed(name) if name == first => {}
            Segment::Param(_) if !first.is_empty() => values.push(first),
            Segment::Tail(_) => {
                values.push(text);
                return Some(values);
            }
            _ => return None,
        }
        rest = below;
    }
    rest.is_none().then_some(values)
}

fn model(routes: &[(String, Methods)], path: &str, method: &Method) -> Option<(usize, Vec<String>)> {
    let explicit = |methods: &Methods| matches!(methods, Methods::Only(only) if only.contains(method));
    routes
        .iter()
        .enumerate()
        .filter(|(_, (_, methods))| methods.accepts(method))
        .filter_map(|(index, (route, methods))| {
            let kind = (!explicit(methods), *methods == Methods::All);
            Some((rank(route), kind, index, values(route, path)?))
        })
        .min()
        .map(|(_, _, index, values)| (index, values))
}

fn route_path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![Just("a"), Just("b"), Just("ab"), Just(""), Just("{x}"), Just("{y}")];
    (prop::collection::vec(segment, 1..4), prop::bool::ANY).prop_map(|(mut segments, tail)| {
        if tail {
            segments.push("{*rest}");
        }
        format!("/{}", segments.join("/"))
    })
}

fn methods() -> impl Strategy<Value = Methods> {
    prop_oneof![
        Just(Methods::All),
        Just(Methods::Only(vec![Method::GET])),
        Just(Methods::Only(vec![Method::POST])),
        Just(Methods::Only(vec![Method::HEAD])),
        Just(Methods::Only(vec![Method::GET, Method::POST])),
    ]
}

proptest! {
    #[test]
    fn the_tree_finds_what_trying_every_route_finds(
        routes in prop::collection::vec((route_path(), methods()), 0..12),
        path in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just("ab"), Just("abc"), Just("")], 1..5),
        method in prop_oneof![Just(Method::GET), Just(Method::POST), Just(Method::HEAD), Just(Method::PUT)],
    ) {
        let path = format!("/{}", path.join("/"));
        let mut tree = PathTree::default();
        for (index, (route, methods)) in routes.iter().enumerate() {
            tree.insert(route, methods, &index);
        }
        let mut allow = Vec::new();
        let found = tree.find(&path, &method, &mut allow);
        let found = found.map(|(index, values)| (*index, values.into_iter().map(str::to_owned).collect::<Vec<_>>()));
        prop_assert_eq!(&found, &model(&routes, &path, &method));
        if found.is_none() {
            for other in [Method::GET, Method::POST, Method::HEAD, Method::PUT] {
                prop_assert_eq!(allow.contains(&other), model(&routes, &path, &other).is_some());
            }
        }
    }
}

#[test]
fn a_tail_takes_the_empty_rest_but_not_the_path_without_the_slash() {
    let mut tree = PathTree::default();
    tree.insert("/static/{*rest}", &Methods::All, &1);
    let find = |path| tree.find(path, &Method::GET, &mut Vec::new()).map(|(_, values)| values);
    assert_eq!(find("/static/"), Some(vec![""]));
    assert_eq!(find("/static/a/b%2Fc"), Some(vec!["a/b%2Fc"]));
    assert_eq!(find("/static"), None);
    assert_eq!(find("*"), None);
}

#[test]
fn a_shape_forgets_names_alone() {
    assert_eq!(shape("/a/{x}/{*rest}"), shape("/a/{y}/{*tail}"));
    assert_ne!(shape("/a/{x}"), shape("/a/{*x}"));
    assert_ne!(shape("/a"), shape("/a/"));
    assert_eq!(param_names("/a/{x}/{*rest}").collect::<Vec<_>>(), ["x", "rest"]);
}

//! Just enough XML to tell whether a plot is well-formed.

/// Panics where tags do not nest, an attribute is unquoted or text holds a stray `<` or `&`.
pub fn assert_well_formed(xml: &str, what: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        assert_text(&rest[..start], what);
        let end = rest[start..].find('>').unwrap_or_else(|| panic!("{what}: unclosed tag")) + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('?') || tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.trim()), "{what}: nesting");
            continue;
        }
        let body = tag.trim_end_matches('/');
        assert_attributes(body, what);
        if !tag.ends_with('/') {
            open.push(body.split_whitespace().next().expect("a tag name"));
        }
    }
    assert_text(rest, what);
    assert!(open.is_empty(), "{what}: left open: {open:?}");
}

fn assert_attributes(tag: &str, what: &str) {
    for (i, part) in tag.split('"').enumerate() {
        if i % 2 == 1 {
            assert_text(part, what);
        }
    }
    assert_eq!(tag.matches('"').count() % 2, 0, "{what}: quotes in <{tag}>");
}

fn assert_text(text: &str, what: &str) {
    for (at, _) in text.match_indices('&') {
        let name: String = text[at + 1..].chars().take_while(|c| *c != ';').take(8).collect();
        let known = ["amp", "lt", "gt", "quot", "apos"].contains(&name.as_str()) || name.starts_with('#');
        assert!(known, "{what}: stray & before {name:?}");
    }
    assert!(!text.contains('<'), "{what}: stray < in {text:?}");
}

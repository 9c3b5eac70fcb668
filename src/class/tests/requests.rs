use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn request(path: &str, method: &str) -> Result<ReadRequest, SpecError> {
    ReadRequest::parse(path, method, None, "object \"o\"")
}

#[test]
fn forms_of_one_path_are_one_path() {
    for (written, path) in [
        ("secret/data/app", "secret/data/app"),
        ("/secret/data/app", "secret/data/app"),
        ("v1/secret/data/app", "secret/data/app"),
        ("/v1/secret/data/app/", "secret/data/app"),
        ("secret//data/./x/../app", "secret/data/app"),
        ("v1", "v1"),
        ("//v1/x", "v1/x"),
        ("v1/v1/x", "v1/x"),
        ("a%2fb c", "a%2fb c"),
    ] {
        assert_eq!(request(written, "").expect(written).path, path, "{written}");
    }
}

#[test]
fn a_path_goes_into_the_url_as_go_escapes_it() {
    for (written, url) in [
        ("a/b-c_d.e~f", "a/b-c_d.e~f"),
        ("$&+,/:;=@", "$&+,/:;=@"),
        ("a%2fb c", "a%252fb%20c"),
        ("#!'()*[]\"<>\\^`{|}", "%23%21%27%28%29%2A%5B%5D%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("é", "%C3%A9"),
    ] {
        assert_eq!(request(written, "").expect(written).url_path(), url);
    }
}

#[test]
fn a_query_is_read_and_written_as_go_does() {
    for (query, encoded) in [
        ("", None),
        ("&&", None),
        ("version=2", Some("version=2")),
        ("b=2&a=1&b=1", Some("a=1&b=2&b=1")),
        ("a", Some("a=")),
        ("=a", Some("=a")),
        ("a=b=c", Some("a=b%3Dc")),
        ("a=x+y%20z%2B", Some("a=x+y+z%2B")),
        ("a=%C3%A9/é?~", Some("a=%C3%A9%2F%C3%A9%3F~")),
        ("a=%00", Some("a=%00")),
    ] {
        let found = request(&format!("p?{query}"), "").expect(query);
        assert_eq!((found.path.as_str(), found.query_string().as_deref()), ("p", encoded), "{query}");
    }
}

#[test]
fn a_path_that_cannot_be_asked_for_is_refused_with_the_next_move() {
    for (path, why) in [
        ("", "secretPath is missing; name a path in Vault"),
        ("/", "secretPath \"/\" names no path in Vault"),
        ("v1/", "secretPath \"v1/\" names no path in Vault"),
        ("?version=2", "secretPath \"?version=2\" names no path in Vault"),
        ("../sys/seal", "climbs out of Vault's API by `..`"),
        ("a/../../v1/sys", "climbs out of Vault's API by `..`"),
        ("a\nb", "secretPath holds a control character"),
        ("a\0", "secretPath holds a control character"),
        ("p?a;b", "holds `;` in its query"),
        ("p?a=%zz", "holds a broken %-escape"),
        ("p?a=%2", "holds a broken %-escape"),
        ("p?a=%é", "holds a broken %-escape"),
        ("p?a=%ff", "holds a query that is no UTF-8"),
    ] {
        let error = error_of(request(path, ""));
        assert!(error.starts_with("object \"o\": ") && error.contains(why), "{error}");
    }
}

#[test]
fn a_method_is_as_written_and_get_without_one() {
    assert_eq!(request("p", "").expect("a request").method, "GET");
    for (method, write) in
        [("GET", false), ("get", false), ("LIST", false), ("HEAD", false), ("PUT", true), ("post", true)]
    {
        let found = request("p", method).expect(method);
        assert_eq!((found.method.as_str(), found.is_write()), (method, write));
    }
    for method in ["GET /x", "GET\r\n", "é", "a:b", " ", "GET\0"] {
        let error = error_of(request("p", method));
        assert!(error.starts_with("object \"o\": method ") && error.contains("is no HTTP method"), "{error}");
    }
}

#[test]
fn requests_are_one_when_method_path_query_and_arguments_are() {
    let found = objects(
        "- {objectName: a, secretPath: p, method: PUT, secretArgs: {x: 1, y: 2}}\n\
         - {objectName: b, secretPath: /v1/p, method: PUT, secretArgs: {y: 0b10, x: 1.0}}\n\
         - {objectName: c, secretPath: p, method: PUT, secretArgs: {y: 2}}\n\
         - {objectName: d, secretPath: p, method: PUT}\n\
         - {objectName: e, secretPath: p, method: PUT, secretArgs: {}}\n\
         - {objectName: f, secretPath: p, method: PUT, secretArgs: ~}\n\
         - {objectName: g, secretPath: p}\n\
         - {objectName: h, secretPath: p?a=1}\n",
    )
    .expect("objects");
    let distinct: HashSet<&ReadRequest> = found.iter().map(|object| &object.request).collect();
    assert_eq!(distinct.len(), 6);
    assert_eq!(found[0].request, found[1].request);
    assert_eq!(found[3].request, found[5].request);
}

proptest! {
    #[test]
    fn no_text_makes_a_request_panic_or_leave_the_api(path in "[a./v1?&=%;+ é]{0,20}", method in ".{0,4}") {
        if let Ok(found) = request(&path, &method) {
            prop_assert!(!found.path.is_empty() && found.path.split('/').all(|part| !matches!(part, "" | "." | "..")));
            prop_assert!(found.url_path().is_ascii());
            if let Some(query) = found.query_string() {
                let again = request(&format!("p?{query}"), "").expect("our own query");
                prop_assert_eq!(again.query, found.query);
            }
        }
    }
}

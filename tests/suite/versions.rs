//! Several versions of a document type in one namespace: told apart by what the document says.

use std::fs;

use crate::support::{Setup, root};

/// Two versions with one root element; the newer one says so.
const PROFILE: &str = "profile: acme
title: {en: Acme, zh: 某某}
documents:
  acme/order@2:
    namespace: \"urn:example:acme\"
    root: Order
    when: =Order/@release = '2.0'
    business-key: =Order/Id
  acme/order@1:
    namespace: \"urn:example:acme\"
    root: Order
    when: =not(Order/@release) or Order/@release = ('1.0', '1.1')
    business-key: =Order/Number
unwrap:
  - {each: =Batch/*}
";

#[test]
fn each_version_takes_its_own_way_and_the_journal_tells_who_sends_which() {
    let setup = Setup::dealer_group();
    let folder = setup.path().to_owned();
    for name in ["routes", "systems", "codes"] {
        fs::remove_dir_all(folder.join(name)).expect("the example's");
    }
    let crm = fs::read_to_string(root().join("examples/dealer-group/systems/crm.yaml")).expect("the example's");
    let store = |version: &str| {
        format!("system: store-{version}\nprofile: acme\nsite: S01\nout: {{file: {{folder: out-{version}}}}}\n")
    };
    let route = |version: &str| {
        format!(
            "route: v{version}\nfrom: {{system: crm, type: acme/order@{version}}}\nto:\n  - {{system: store-{version}}}\n"
        )
    };
    let hub = setup
        .file("mappings/acme/profile.yaml", PROFILE)
        .file("systems/crm.yaml", &crm.replace("profile: hub", "profile: acme"))
        .file("systems/store-1.yaml", &store("1"))
        .file("systems/store-2.yaml", &store("2"))
        .file("routes/v1.yaml", &route("1"))
        .file("routes/v2.yaml", &route("2"))
        .file("out-1/.keep", "")
        .file("out-2/.keep", "")
        .start();
    let order = |inside: &str| format!("<Order xmlns=\"urn:example:acme\"{inside}</Order>").into_bytes();
    let first = hub.accept(order("><Number>1</Number>"));
    let second = hub.accept(order(" release=\"2.0\"><Id>2</Id>"));
    let third = hub.accept(order(" release=\"1.1\"><Number>3</Number>"));
    for (id, version, key) in [(&first, "1", "1"), (&second, "2", "2"), (&third, "1", "3")] {
        let message = hub.await_standing(id, "delivered");
        assert_eq!(message["type"], format!("acme/order@{version}"), "{message:#}");
        assert_eq!(message["business_key"], key);
        assert_eq!(message["deliveries"][0]["destination"], format!("store-{version}"));
    }
    let unknown = hub.await_standing(&hub.accept(order(" release=\"3.0\"><Id>4</Id>")), "parked");
    assert_eq!(unknown["reason"]["code"], "XD-D004", "{unknown:#}");
    let text = unknown["reason"]["text"].as_str().unwrap_or_default();
    assert!(text.contains("acme/order@2, acme/order@1"), "{text}");

    let batch = "<Batch><Order xmlns=\"urn:example:acme\" release=\"2.0\"><Id>5</Id></Order>\
        <Order xmlns=\"urn:example:acme\"><Number>6</Number></Order></Batch>";
    let split = hub.await_standing(&hub.accept(batch.as_bytes().to_vec()), "split");
    let types: Vec<_> = split["parts"].as_array().into_iter().flatten().map(|part| part["type"].clone()).collect();
    assert_eq!(types, ["acme/order@2", "acme/order@1"], "{split:#}");

    let counted = hub.command(&["messages", "types", "--since", "1d", "--json"]).json();
    let of = |name: &str| {
        let types = counted["types"].as_array().cloned().unwrap_or_default();
        types.into_iter().find(|one| one["type"] == name).map(|one| one["count"].clone())
    };
    assert_eq!((of("acme/order@1"), of("acme/order@2")), (Some(3.into()), Some(2.into())), "{counted:#}");
    let told = hub.command(&["messages", "types"]).text();
    assert!(told.contains("crm\tacme/order@1\t3\tlast "), "{told}");
}

//! The systems that the page on ways in and out shows can be loaded and built.

use std::fs;

use crossdock::{app::load_catalog, config};

#[test]
fn every_system_of_the_transports_page_can_be_loaded_and_built() {
    use std::os::unix::fs::PermissionsExt as _;
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/transports.md")).expect("the page");
    let blocks = |language: &str| -> Vec<String> {
        let fence = format!("```{language}\n");
        page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
    };
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("systems")).expect("a folder");
    let authority = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let ssh_key = folder.path().join("factory.key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&ssh_key)
        .status()
        .expect("ssh-keygen runs");
    assert!(made.success());
    let secret = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("private");
    };
    secret("erp.secret", "a secret of the erp");
    secret("dealer-root.pem", &authority.cert.pem());
    secret("bank.pem", &authority.cert.pem());
    secret("bank.key", &authority.signing_key.serialize_pem());
    secret("bank.hmac", "0123456789abcdef");
    secret("shop.whsec", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    secret("dms.url", "postgres://dms:secret@db.dealer.example/dms");
    let systems = blocks("yaml");
    assert!(systems.len() >= 5);
    for (number, system) in systems.iter().enumerate() {
        let system = system.replace("/etc/crossdock", &folder.path().display().to_string());
        fs::write(folder.path().join(format!("systems/{number}.yaml")), system).expect("written");
    }
    for settings in blocks("toml") {
        let file = Some(("page".into(), settings));
        config::load(&config::Layers { file, ..config::Layers::default() }).expect("good settings");
    }
    let flags = vec![("hub.content".to_owned(), folder.path().display().to_string())];
    let settings = config::load(&config::Layers { flags, ..config::Layers::default() }).expect("good settings");
    let (_, problems) = load_catalog(&settings);
    let about: Vec<String> = problems
        .0
        .iter()
        .filter(|problem| problem.place.file.as_deref().is_some_and(|file| file.contains("systems/")))
        .map(ToString::to_string)
        .collect();
    assert!(about.is_empty(), "{about:#?}");
}

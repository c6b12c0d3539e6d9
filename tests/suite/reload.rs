//! Content is read again on SIGHUP: what was held goes on, what is broken changes nothing.

use crate::support::{Erp, Setup, message, wait_until};

const DEPARTMENTS: &str = "codes/department.csv";

#[test]
fn an_order_with_an_unmapped_code_goes_on_when_the_row_is_there() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = Setup::between(&south, &east).start();
    hub.accept(message("customer-C-1001.xml"));
    let id = hub.accept(message("order-unmapped-code.xml"));
    let parked = hub.await_standing(&id, "parked");
    let reason = &parked["deliveries"][0]["reason"];
    assert_eq!(reason["code"], "XD-D009", "{parked:#}");
    assert!(reason["text"].as_str().is_some_and(|text| text.contains("department")), "{parked:#}");
    let rows = hub.read(DEPARTMENTS);
    hub.write(DEPARTMENTS, &format!("{}\n网销部,XS07,u8-south,,,,\n", rows.trim_end()));
    hub.signal("HUP");
    hub.await_standing(&id, "delivered");
    assert_eq!(south.written(), ["u8/customer AC1001", "u8/saleorder ASO20260004"]);
    assert!(south.received()[1]["body"].as_str().is_some_and(|body| body.contains("<deptcode>XS07</deptcode>")));
}

#[test]
fn a_broken_reload_keeps_the_old_content() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = Setup::between(&south, &east).start();
    let route = hub.read("routes/customers.yaml");
    hub.write("routes/customers.yaml", &route.replace("system: u8-south", "system: u8-suoth"));
    hub.signal("HUP");
    wait_until("the reload is refused", || hub.log().contains("the old content stays in force"));
    wait_until("the reason is told", || hub.log().contains("u8-suoth"));
    assert!(hub.log().contains("did you mean `u8-south`?"), "{}", hub.log());
    let id = hub.accept(message("customer-C-1001.xml"));
    hub.await_standing(&id, "delivered");
    hub.write("routes/customers.yaml", &route);
    hub.signal("HUP");
    wait_until("the reload is done", || hub.log().contains("new content is in force"));
    let id = hub.accept(message("customer-C-1002.xml"));
    hub.await_standing(&id, "delivered");
    assert_eq!(south.written().len(), 2);
}

#[test]
fn a_document_without_a_route_goes_on_when_there_is_one() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let setup = Setup::between(&south, &east);
    let route = setup.read("routes/customers.yaml");
    std::fs::remove_file(setup.at("routes/customers.yaml")).expect("the file is there");
    let mut hub = setup.start();
    let id = hub.accept(message("customer-C-1001.xml"));
    let parked = hub.await_standing(&id, "parked");
    assert_eq!(parked["reason"]["code"], "XD-D006", "{parked:#}");
    hub.write("routes/customers.yaml", &route);
    hub.signal("HUP");
    hub.await_standing(&id, "delivered");
    assert_eq!(south.written(), ["u8/customer AC1001"]);
}

#[test]
fn a_new_system_is_served_after_a_reload() {
    let (south, east) = (Erp::u8(), Erp::u8());
    let mut hub = Setup::between(&south, &east).start();
    let send = |hub: &crate::support::Hub| hub.send_as("portal", "hub/customer", message("customer-C-1001.xml"), &[]);
    assert_eq!(send(&hub).status, 404);
    let (system, route) = (hub.read("systems/crm.yaml"), hub.read("routes/customers.yaml"));
    hub.write("systems/portal.yaml", &system.replace("system: crm", "system: portal"));
    let route = route.replace("system: crm", "system: portal").replace("route: customers", "route: portal-customers");
    hub.write("routes/portal-customers.yaml", &route);
    hub.signal("HUP");
    wait_until("the new system is known", || hub.log().contains("new content is in force"));
    let reply = send(&hub);
    assert_eq!(reply.status, 202);
    hub.await_standing(reply.json()["message_id"].as_str().expect("an id"), "delivered");
    assert_eq!(south.written(), ["u8/customer AC1001"]);
}

#[test]
fn content_with_errors_does_not_start() {
    let setup = Setup::dealer_group().replace("routes/orders.yaml", "system: crm", "system: cmr");
    let config = setup.config();
    let ran = crate::support::crossdock(&["run", "--config", config.as_str()]).expect(78);
    assert!(ran.talk.contains("routes/orders.yaml:3:"), "{}", ran.talk);
    assert!(!setup.at("data").exists(), "no journal was made");
}

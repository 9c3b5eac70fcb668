//! What goes wrong with a Vault: one thing after the other, each for a while, with calm between.

use std::time::Duration;

use devkit::http::{Answer, Fault};
use devkit::vault::Vault;
use fastrand::Rng;
use tokio::time::sleep;

use crate::proxy::{Mood, Proxy};

/// A Vault that has weather: the server itself, and the proxy that stands before it, if one does.
pub struct Weather {
    /// The server.
    pub vault: Vault,
    /// What its clients talk to in its place.
    pub proxy: Option<Proxy>,
}

/// Answers of success that no Vault gives, or none that has what the class asks for.
const NONSENSE: [&str; 12] = [
    "",
    "null",
    "[]",
    "\"data\"",
    "{",
    "{}",
    r#"{"data":"#,
    r#"{"data":[1,2,3]}"#,
    r#"{"data":{"data":"left"}}"#,
    r#"{"data":{"data":null}}"#,
    r#"{"auth":{"client_token":7},"data":{"data":[]}}"#,
    r#"{"errors":["it works, but not as you think"]}"#,
];

/// Which requests are struck.
const PLACES: [&str; 6] = ["", "", "auth/", "secret/", "secret/data/app0", "database/"];

impl Weather {
    /// Strikes again and again; ends with the future, in any weather.
    pub async fn blow(&self, mut rng: Rng, elsewhere: &str) {
        loop {
            self.strike(&mut rng, elsewhere).await;
            // Mostly shorter than a mount may take, now and then longer.
            let most = if rng.u8(..8) == 0 { 7_000 } else { 2_000 };
            sleep(Duration::from_millis(rng.u64(100..most))).await;
            self.clear().await;
            sleep(Duration::from_millis(rng.u64(100..1_500))).await;
        }
    }

    /// Ends all that is wrong.
    pub async fn clear(&self) {
        if let Some(proxy) = &self.proxy {
            proxy.set(Mood::Clear);
        }
        self.vault.faults().clear();
        self.vault.accept().await;
    }

    async fn strike(&self, rng: &mut Rng, elsewhere: &str) {
        if let Some(proxy) = self.proxy.as_ref().filter(|_| rng.bool()) {
            return strike_wire(proxy, rng);
        }
        match rng.u8(..24) {
            0..=2 => self.vault.refuse().await,
            3 => self.vault.disconnect().await,
            4 => self.vault.revoke_tokens(),
            _ => self.vault.fault(fault(rng, elsewhere).at(PLACES[rng.usize(..PLACES.len())])),
        }
    }
}

fn strike_wire(proxy: &Proxy, rng: &mut Rng) {
    // Up to a few bytes of the handshake, up to somewhere in an answer.
    let bytes = if rng.bool() { rng.usize(..40) } else { rng.usize(..4_000) };
    proxy.set(match rng.u8(..5) {
        0 => Mood::Deaf,
        1 => Mood::Stalls(bytes),
        2 => Mood::Cuts(bytes),
        3 => Mood::Trickles,
        _ => Mood::Garbles,
    });
}

fn fault(rng: &mut Rng, elsewhere: &str) -> Fault {
    let moment = Duration::from_millis(rng.u64(20..1_500));
    match rng.u8(..24) {
        0 => Fault::hang(),
        1 => Fault::hang_mid_answer(),
        2 => Fault::reset(),
        3 => Fault::reset_mid_answer(),
        4 => Fault::truncated_body(),
        5 => Fault::slow_body(1, Duration::from_millis(2)),
        6 => Fault::slow_body(1, Duration::from_secs(1)),
        7 => Fault::wrong_content_length(if rng.bool() { 7 } else { -7 }),
        8 => Fault::vault_sealed(),
        9 => Fault::vault_quota(None),
        10 => Fault::vault_quota(Some(Duration::from_secs(rng.u64(..3)))),
        11 => Fault::vault_internal_error(),
        12 => Fault::vault_not_initialized(),
        13 => Fault::vault_not_caught_up(),
        14 => Fault::bad_gateway(),
        15 => Fault::html_page(),
        16 => Fault::vault_forbidden(),
        17 => Fault::brackets(100_000),
        18 => Fault::login_without_auth(),
        19 => {
            if rng.bool() {
                Fault::no_content()
            } else {
                Fault::data_null(Some("nothing here"))
            }
        }
        20 => Fault::endless_body().times(2),
        21 => Fault::redirect(307, &format!("{elsewhere}/v1/secret/data/app0")),
        22 => {
            if rng.bool() {
                Fault::delay(moment)
            } else {
                Fault::late_answer(moment)
            }
        }
        _ => {
            let body = NONSENSE[rng.usize(..NONSENSE.len())];
            Fault::answer(Answer::new(200, body).header("content-type", "application/json"))
        }
    }
}

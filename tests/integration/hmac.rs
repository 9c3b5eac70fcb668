//! The key of the object versions: one Secret for all nodes, read once; without it files come all the same.

use std::time::{Duration, Instant};

use devkit::driver::Mounted;
use devkit::http::{Fault, Gate};
use devkit::kubernetes::{Kubernetes, Right};
use devkit::pod::Pod;
use futures_util::future::join_all;

use crate::node::{Node, ONE, Provider, soon};

const NAME: &str = "vault-csi-provider-hmac-key";
const SECRETS: &str = "/api/v1/namespaces/lockkeeper/secrets";

/// A mount by a new pod.
async fn mounted_by(node: &Node, provider: &Provider) -> Mounted {
    let mounted = provider.mount(&node.call(&Pod::new("shop", "web-0"), ONE)).await;
    let mounted = mounted.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(mounted.text("o"), "v");
    mounted
}

/// How often the key was asked for, and how often it was to be created.
fn asked(kubernetes: &Kubernetes) -> (usize, usize) {
    let count = |method| {
        kubernetes.log().count(|call| call.method.as_str() == method && call.path.starts_with(SECRETS))
    };
    (count("GET"), count("POST"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_created_when_missing_and_then_kept() {
    let node = Node::with_secret(&[]).await;
    let mounts = join_all((0..20).map(|_| mounted_by(&node, &node.provider)));
    let versions: Vec<String> = mounts.await.iter().map(|mounted| mounted.version("o").to_owned()).collect();
    assert!(!versions[0].is_empty() && versions.iter().all(|version| *version == versions[0]));
    for _ in 0..5 {
        assert_eq!(mounted_by(&node, &node.provider).await.version("o"), versions[0]);
    }
    let secret = node.kubernetes.secret("lockkeeper", NAME).expect("created");
    assert!(secret.immutable);
    assert_eq!(secret.data.keys().collect::<Vec<_>>(), ["key"]);
    assert_eq!(secret.data["key"].len(), 32);
    assert!(secret.data["key"].iter().any(|byte| *byte != secret.data["key"][0]), "random");
    assert_eq!(asked(&node.kubernetes), (1, 1), "for 25 mounts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_there_is_read_once_whatever_stands_beside_it() {
    let node = Node::with_secret(&[]).await;
    node.kubernetes.write_secret("lockkeeper", NAME, &[("key", &[7; 32]), ("comment", b"by hand")]);
    let first = mounted_by(&node, &node.provider).await;
    assert!(!first.version("o").is_empty());
    node.kubernetes.delete_secret("lockkeeper", NAME);
    assert_eq!(mounted_by(&node, &node.provider).await.version("o"), first.version("o"));
    assert_eq!(asked(&node.kubernetes), (1, 0));
    node.kubernetes.write_secret("lockkeeper", "own-name", &[("key", &[7; 32])]);
    let flags = ["-hmac-secret-name=own-name"];
    let named = Provider::start("vault.sock", &node.kubernetes, &flags, &[]).await;
    assert_eq!(mounted_by(&node, &named).await.version("o"), first.version("o"), "by the same key");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_that_creates_the_key_second_uses_the_firsts() {
    let node = Node::with_secret(&[]).await;
    let gate = Gate::closed();
    node.kubernetes.fault(Fault::held(&gate).at(SECRETS).method(http::Method::POST));
    let others_key = async {
        gate.until_waiting(1).await;
        node.kubernetes.write_secret("lockkeeper", NAME, &[("key", &[9; 32])]);
        gate.open();
    };
    let (late, ()) =
        soon("a mount", async { tokio::join!(mounted_by(&node, &node.provider), others_key) }).await;
    assert_eq!(node.kubernetes.secret("lockkeeper", NAME).expect("there").data["key"], [9; 32]);
    assert_eq!(asked(&node.kubernetes), (2, 1), "read, created in vain, read again");
    let other = Provider::start("vault.sock", &node.kubernetes, &[], &[]).await;
    assert_eq!(mounted_by(&node, &other).await.version("o"), late.version("o"));
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_of_two_nodes_give_one_object_one_version() {
    let node = Node::with_secret(&[]).await;
    let other = Provider::start("vault.sock", &node.kubernetes, &[], &[]).await;
    let (here, there) = tokio::join!(mounted_by(&node, &node.provider), mounted_by(&node, &other));
    assert!(!here.version("o").is_empty());
    assert_eq!(here.version("o"), there.version("o"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_the_key_files_come_with_empty_versions() {
    for (right, calls) in [(Right::ReadSecrets, (1, 0)), (Right::CreateSecrets, (1, 1))] {
        let node = Node::with_secret(&[]).await;
        node.kubernetes.deny(right);
        for _ in 0..5 {
            assert_eq!(mounted_by(&node, &node.provider).await.version("o"), "", "{right:?}");
        }
        assert_eq!(asked(&node.kubernetes), calls, "not again with each mount: {right:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_holds_no_key_is_left_alone_and_versions_are_empty() {
    let odd: [&[(&str, &[u8])]; 4] = [&[("key", &[1; 31])], &[("key", &[])], &[("other", &[1; 32])], &[]];
    for data in odd {
        let node = Node::with_secret(&[]).await;
        node.kubernetes.write_secret("lockkeeper", NAME, data);
        for _ in 0..3 {
            assert_eq!(mounted_by(&node, &node.provider).await.version("o"), "", "{data:?}");
        }
        assert_eq!(asked(&node.kubernetes), (1, 0), "{data:?}");
        assert_eq!(node.kubernetes.secret("lockkeeper", NAME).expect("there").data.len(), data.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_delays_a_mount_by_five_seconds_at_most_and_heals_by_itself() {
    let faults: [Option<fn() -> Fault>; 4] =
        [None, Some(Fault::hang), Some(Fault::hang_mid_answer), Some(Fault::kubernetes_internal_error)];
    let cases = faults.map(|fault| async move {
        let node = Node::with_secret(&[]).await;
        match fault {
            None => node.kubernetes.refuse().await,
            Some(fault) => node.kubernetes.fault(fault().at(SECRETS)),
        }
        let began = Instant::now();
        assert_eq!(mounted_by(&node, &node.provider).await.version("o"), "");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(12), "{took:?}");
        node.kubernetes.faults().clear();
        node.kubernetes.accept().await;
        assert!(!mounted_by(&node, &node.provider).await.version("o").is_empty(), "healed");
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_fault_of_the_api_server_is_not_seen_at_all() {
    let node = Node::with_secret(&[]).await;
    node.kubernetes.fault(Fault::kubernetes_internal_error().at(SECRETS).times(2));
    node.kubernetes.fault(Fault::kubernetes_too_many_requests(Duration::ZERO).at(SECRETS).after(1).times(1));
    assert!(!mounted_by(&node, &node.provider).await.version("o").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_a_cluster_files_come_at_once_with_empty_versions() {
    let node = Node::with_secret(&[]).await;
    let flags = ["-kubernetes-service-account-dir=/nonexistent"];
    let alone = Provider::start("vault.sock", &node.kubernetes, &flags, &[]).await;
    let began = Instant::now();
    assert_eq!(mounted_by(&node, &alone).await.version("o"), "");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

//! Runs one node of the crate discv5 and obeys commands: one JSON object per line on standard input, and for each an
//! answer on standard output. The protocol is described in ../doc.go, for all drivers alike.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use discv5::{ConfigBuilder, Discv5, Enr, Event, ListenConfig, NodeContact};
use enr::{CombinedKey, NodeId};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// How long an answer may take, for each step of a handshake, if the command does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

/// The TALK protocol that is answered with its own payload. All others are answered empty.
const ECHO: &[u8] = b"echo";

type Answer = Result<Value, String>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let (lines, mut commands) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });

    let mut node: Option<Arc<Discv5>> = None;
    while let Some(line) = commands.recv().await {
        let command: Value = match serde_json::from_str(&line) {
            Ok(v) => v,
            Err(e) => {
                print(&Value::Null, Err(format!("not JSON: {e}")));
                continue;
            }
        };
        let id = command["id"].clone();
        match (command["cmd"].as_str(), &node) {
            (Some("exit"), _) => {
                print(&id, Ok(json!({})));
                return;
            }
            (Some("start"), None) => match start(&command).await {
                Ok(started) => {
                    print(&id, record_of(&started));
                    node = Some(started);
                }
                Err(e) => print(&id, Err(e)),
            },
            (_, Some(node)) => {
                let node = node.clone();
                tokio::spawn(async move { print(&id, run(&node, &command).await) });
            }
            (_, None) => print(&id, Err("no node has been started".into())),
        }
    }
}

/// Writes one answer.
fn print(id: &Value, answer: Answer) {
    let mut line = match answer {
        Ok(v) => v,
        Err(e) => json!({ "error": e }),
    };
    line["id"] = id.clone();
    let mut out = std::io::stdout().lock();
    // Nobody is left to be told when this fails: the reader is gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Starts the node and the task that answers TALK requests.
async fn start(command: &Value) -> Result<Arc<Discv5>, String> {
    let mut secret = bytes(command, "key")?;
    let key = CombinedKey::secp256k1_from_bytes(&mut secret).map_err(|e| format!("key: {e}"))?;
    let addr: SocketAddr = text(command, "addr")?
        .parse()
        .map_err(|e| format!("addr: {e}"))?;
    let enr = match command["record"].as_str() {
        Some(s) => s.parse::<Enr>().map_err(|e| format!("record: {e}"))?,
        None => {
            let mut b = Enr::builder();
            b.ip(addr.ip());
            match addr.ip() {
                IpAddr::V4(_) => b.udp4(addr.port()),
                IpAddr::V6(_) => b.udp6(addr.port()),
            };
            b.build(&key)
                .map_err(|e| format!("making the record: {e}"))?
        }
    };
    let timeout = match command["timeout"].as_u64() {
        Some(ms) => Duration::from_millis(ms),
        None => DEFAULT_TIMEOUT,
    };
    let listen = ListenConfig::from_ip(addr.ip(), addr.port());
    let config = ConfigBuilder::new(listen)
        .request_timeout(timeout)
        .query_peer_timeout(2 * timeout)
        .build();
    let mut node = Discv5::new(enr, key, config)?;
    node.start().await.map_err(|e| format!("start: {e}"))?;
    let mut events = node
        .event_stream()
        .await
        .map_err(|e| format!("events: {e}"))?;
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::TalkRequest(request) = event {
                let answer = match request.protocol() {
                    ECHO => request.body().to_vec(),
                    _ => Vec::new(),
                };
                if let Err(e) = request.respond(answer) {
                    eprintln!("TALK response: {e:?}");
                }
            }
        }
    });
    Ok(Arc::new(node))
}

/// Carries out a command of a running node.
async fn run(node: &Discv5, command: &Value) -> Answer {
    match text(command, "cmd")? {
        "record" => record_of(node),
        "update" => {
            let value = match command["hex"].as_str() {
                Some(_) => bytes(command, "hex")?,
                None => text(command, "value")?.as_bytes().to_vec(),
            };
            node.enr_insert(text(command, "field")?, &value.as_slice())
                .map_err(|e| format!("update: {e}"))?;
            record_of(node)
        }
        "add" => {
            node.add_enr(peer(command)?)?;
            Ok(json!({}))
        }
        "table" => Ok(records(&node.table_entries_enr())),
        "ping" => {
            let pong = node
                .send_ping(peer(command)?)
                .await
                .map_err(|e| format!("PING: {e}"))?;
            let endpoint = SocketAddr::new(pong.ip, pong.port).to_string();
            Ok(json!({ "seq": pong.enr_seq, "endpoint": endpoint }))
        }
        "findnode" => {
            let distances = command["distances"]
                .as_array()
                .map(|list| list.iter().filter_map(Value::as_u64).collect())
                .ok_or("distances: missing")?;
            let found = node
                .find_node_designated_peer(peer(command)?, distances)
                .await
                .map_err(|e| format!("FINDNODE: {e}"))?;
            Ok(records(&found))
        }
        "talk" => {
            let to = NodeContact::try_from_enr(peer(command)?, node.ip_mode())
                .map_err(|e| format!("record: {e:?}"))?;
            let protocol = text(command, "protocol")?.as_bytes().to_vec();
            let answer = node
                .talk_req(to, protocol, bytes(command, "payload")?)
                .await
                .map_err(|e| format!("TALK: {e}"))?;
            Ok(json!({ "payload": hex::encode(answer) }))
        }
        "lookup" => {
            let target =
                NodeId::parse(&bytes(command, "target")?).map_err(|e| format!("target: {e}"))?;
            let found = node
                .find_node(target)
                .await
                .map_err(|e| format!("lookup: {e}"))?;
            Ok(records(&found))
        }
        other => Err(format!("unknown command {other:?}")),
    }
}

fn record_of(node: &Discv5) -> Answer {
    Ok(json!({ "record": node.local_enr().to_base64() }))
}

fn records(list: &[Enr]) -> Value {
    json!({ "records": list.iter().map(Enr::to_base64).collect::<Vec<_>>() })
}

fn text<'a>(command: &'a Value, field: &str) -> Result<&'a str, String> {
    command[field]
        .as_str()
        .ok_or_else(|| format!("{field}: missing"))
}

fn bytes(command: &Value, field: &str) -> Result<Vec<u8>, String> {
    hex::decode(text(command, field)?).map_err(|e| format!("{field}: {e}"))
}

fn peer(command: &Value) -> Result<Enr, String> {
    text(command, "record")?
        .parse()
        .map_err(|e| format!("record: {e}"))
}

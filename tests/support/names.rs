//! A name server of a test's own: what it answers is the test's to say, question by question.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE,
    rdata::{A, AAAA, CNAME, RData},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

/// What the server says to one question.
#[derive(Clone, Debug)]
pub enum Said {
    /// These addresses, those of the family that was asked for, for so many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// The name is another's, whose addresses follow.
    Alias(String, Vec<IpAddr>),
    /// There is no such name.
    Unknown,
    /// Nothing at all.
    Silence,
    /// Over UDP: come back by TCP. There, these addresses.
    OverTcp(Vec<IpAddr>),
}

type Judge = Arc<dyn Fn(&str) -> Said + Send + Sync>;

/// A name server on loopback. It ends when this is dropped.
pub struct NameServer {
    /// Where it listens, by UDP and TCP.
    pub addr: SocketAddr,
    asked: Arc<AtomicUsize>,
    tasks: [JoinHandle<()>; 2],
}

impl NameServer {
    /// Starts one that says what `judge` makes of the name that is asked for, without its last dot.
    ///
    /// # Panics
    /// When no port can be had.
    pub async fn start(judge: impl Fn(&str) -> Said + Send + Sync + 'static) -> Self {
        let (asked, judge) = (Arc::<AtomicUsize>::default(), Arc::new(judge) as Judge);
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
            // The same number may be taken for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")).await {
                break (udp, tcp);
            }
        };
        let addr = udp.local_addr().expect("bound");
        let tasks = [tokio::spawn(datagrams(udp, judge.clone(), asked.clone())), tokio::spawn(streams(tcp, judge))];
        Self { addr, asked, tasks }
    }

    /// Questions that came by UDP.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn datagrams(socket: UdpSocket, judge: Judge, asked: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 2048];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { return };
        asked.fetch_add(1, Ordering::Relaxed);
        if let Some(answer) = answer(&buffer[..length], &judge, false) {
            // Who asked may have gone.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn streams(listener: TcpListener, judge: Judge) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let judge = judge.clone();
        tokio::spawn(async move {
            let mut question = vec![0; stream.read_u16().await?.into()];
            stream.read_exact(&mut question).await?;
            if let Some(answer) = answer(&question, &judge, true) {
                stream.write_u16(answer.len() as u16).await?;
                stream.write_all(&answer).await?;
            }
            std::io::Result::Ok(())
        });
    }
}

fn answer(question: &[u8], judge: &Judge, over_tcp: bool) -> Option<Vec<u8>> {
    let question = Packet::parse(question).ok()?;
    let asked = question.questions.first()?.clone();
    let name = asked.qname.to_string();
    let is_v6 = asked.qtype == QTYPE::TYPE(TYPE::AAAA);
    let mut reply = Packet::new_reply(question.id());
    let record = |name: &str, ttl: u32, data: RData<'static>| {
        ResourceRecord::new(Name::new_unchecked(name).into_owned(), CLASS::IN, ttl, data)
    };
    let address = |name: &str, ip: &IpAddr, ttl: u32| match ip {
        IpAddr::V4(ip) if !is_v6 => Some(record(name, ttl, RData::A(A { address: (*ip).into() }))),
        IpAddr::V6(ip) if is_v6 => Some(record(name, ttl, RData::AAAA(AAAA { address: (*ip).into() }))),
        _ => None,
    };
    match judge(&name) {
        Said::Silence => return None,
        Said::Unknown => *reply.rcode_mut() = RCODE::NameError,
        Said::OverTcp(_) if !over_tcp => reply.set_flags(PacketFlag::TRUNCATION),
        Said::Addresses(ips, ttl) => reply.answers.extend(ips.iter().filter_map(|ip| address(&name, ip, ttl))),
        Said::OverTcp(ips) => reply.answers.extend(ips.iter().filter_map(|ip| address(&name, ip, 60))),
        Said::Alias(target, ips) => {
            let alias = RData::CNAME(CNAME(Name::new_unchecked(&target).into_owned()));
            reply.answers.push(record(&name, 0, alias));
            reply.answers.extend(ips.iter().filter_map(|ip| address(&target, ip, 0)));
        }
    }
    reply.questions.push(asked);
    reply.build_bytes_vec().ok()
}

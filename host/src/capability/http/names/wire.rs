//! One question to a name server and what its answer is worth.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, rdata::RData};

/// Addresses taken from one answer; more are of no use to anyone.
const MOST_ADDRESSES: usize = 16;

/// Names an answer may lead through before the one that has addresses.
const MOST_ALIASES: usize = 8;

/// Records of an answer that are looked at.
const MOST_RECORDS: usize = 256;

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

/// What a name server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The addresses, perhaps none, and for how long that holds.
    Addresses(Vec<IpAddr>, Duration),
    /// There is no such name.
    Unknown,
    /// The server will not or cannot say; with its code.
    Refused(String),
    /// The answer does not fit; it has to be asked for over TCP.
    Cut,
    /// This is no answer to the question: whoever sent it.
    NotMine,
}

/// A question as it is sent.
pub(super) struct Query {
    id: u16,
    name: String,
    family: Family,
}

impl Query {
    /// A question with this id, which nobody else may guess. The name is one that an origin can have.
    pub(super) fn new(id: u16, name: &str, family: Family) -> Self {
        Self { id, name: name.to_owned(), family }
    }

    fn kind(&self) -> QTYPE {
        QTYPE::TYPE(match self.family {
            Family::V4 => TYPE::A,
            Family::V6 => TYPE::AAAA,
        })
    }

    /// The message; `None` for a name that no message can hold.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        let mut packet = Packet::new_query(self.id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        let name = Name::new(&self.name).ok()?;
        packet.questions.push(Question::new(name, self.kind(), QCLASS::CLASS(CLASS::IN), false));
        packet.build_bytes_vec().ok()
    }

    /// Reads what came back.
    pub(super) fn read(&self, bytes: &[u8]) -> Answer {
        let Ok(packet) = Packet::parse(bytes) else { return Answer::NotMine };
        if packet.id() != self.id || !packet.has_flags(PacketFlag::RESPONSE) || !self.is_asked_by(&packet) {
            return Answer::NotMine;
        }
        if packet.has_flags(PacketFlag::TRUNCATION) {
            return Answer::Cut;
        }
        match packet.rcode() {
            RCODE::NoError => self.addresses(&packet),
            RCODE::NameError => Answer::Unknown,
            other => Answer::Refused(format!("{other:?}")),
        }
    }

    fn is_asked_by(&self, packet: &Packet<'_>) -> bool {
        let [question] = packet.questions.as_slice() else { return false };
        plain(&question.qname) == self.name && question.qtype == self.kind()
    }

    /// Follows the answer's aliases from the name that was asked for to the addresses.
    fn addresses(&self, packet: &Packet<'_>) -> Answer {
        let records: Vec<_> =
            packet.answers.iter().take(MOST_RECORDS).filter(|record| record.class == CLASS::IN).collect();
        let (mut name, mut holds) = (self.name.clone(), u32::MAX);
        for _ in 0..MOST_ALIASES {
            let of_name = || records.iter().filter(|record| plain(&record.name) == name);
            let found: Vec<_> =
                of_name().filter_map(|record| Some((self.address(&record.rdata)?, record.ttl))).collect();
            let alias = of_name().find_map(|record| match &record.rdata {
                RData::CNAME(target) => Some((plain(&target.0), record.ttl)),
                _ => None,
            });
            if let (true, Some((target, ttl))) = (found.is_empty(), alias) {
                (name, holds) = (target, holds.min(ttl));
                continue;
            }
            let holds = found.iter().map(|(_, ttl)| *ttl).fold(holds, u32::min);
            let holds = if found.is_empty() { Duration::ZERO } else { Duration::from_secs(holds.into()) };
            return Answer::Addresses(found.into_iter().map(|(ip, _)| ip).take(MOST_ADDRESSES).collect(), holds);
        }
        Answer::Refused("too many aliases".to_owned())
    }

    fn address(&self, data: &RData<'_>) -> Option<IpAddr> {
        match (self.family, data) {
            (Family::V4, RData::A(record)) => Some(Ipv4Addr::from(record.address).into()),
            (Family::V6, RData::AAAA(record)) => Some(Ipv6Addr::from(record.address).into()),
            _ => None,
        }
    }
}

/// A name as origins have it.
fn plain(name: &Name<'_>) -> String {
    name.to_string().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use simple_dns::{
        ResourceRecord,
        rdata::{A, CNAME},
    };

    use super::*;

    const ID: u16 = 7;

    fn query() -> Query {
        Query::new(ID, "a.example", Family::V4)
    }

    fn a<'n>(name: &'n str, ip: [u8; 4], ttl: u32) -> ResourceRecord<'n> {
        let address = u32::from_be_bytes(ip);
        ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, ttl, RData::A(A { address }))
    }

    fn alias<'n>(name: &'n str, target: &'n str, ttl: u32) -> ResourceRecord<'n> {
        ResourceRecord::new(Name::new_unchecked(name), CLASS::IN, ttl, RData::CNAME(CNAME(Name::new_unchecked(target))))
    }

    fn reply(records: Vec<ResourceRecord<'_>>) -> Packet<'_> {
        let mut packet = Packet::new_reply(ID);
        let name = Name::new_unchecked("A.Example");
        packet.questions.push(Question::new(name, QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN), false));
        packet.answers = records;
        packet
    }

    fn read(packet: &Packet<'_>) -> Answer {
        query().read(&packet.build_bytes_vec().expect("a message"))
    }

    fn addresses(ips: &[[u8; 4]], seconds: u64) -> Answer {
        Answer::Addresses(ips.iter().map(|ip| IpAddr::from(*ip)).collect(), Duration::from_secs(seconds))
    }

    #[test]
    fn aliases_lead_to_addresses_and_the_shortest_time_holds() {
        let records =
            vec![alias("a.example", "b.example", 30), a("B.example", [1, 2, 3, 4], 60), a("c.example", [9; 4], 1)];
        assert_eq!(read(&reply(records)), addresses(&[[1, 2, 3, 4]], 30));
        assert_eq!(
            read(&reply(vec![a("a.example", [1; 4], 5), a("a.example", [2; 4], 9)])),
            addresses(&[[1; 4], [2; 4]], 5)
        );
    }

    #[test]
    fn records_of_other_names_are_not_taken() {
        assert_eq!(read(&reply(vec![a("evil.example", [1; 4], 60)])), addresses(&[], 0));
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let records = vec![alias("a.example", "b.example", 1), alias("b.example", "a.example", 1)];
        assert_eq!(read(&reply(records)), Answer::Refused("too many aliases".to_owned()));
    }

    #[test]
    fn ten_thousand_records_are_a_few_addresses() {
        let records = (0..3000u32).map(|n| a("a.example", n.to_be_bytes(), 60)).collect();
        let Answer::Addresses(found, _) = read(&reply(records)) else { panic!("addresses") };
        assert_eq!(found.len(), MOST_ADDRESSES);
    }

    #[test]
    fn what_was_not_asked_is_not_believed() {
        let good = reply(vec![a("a.example", [1; 4], 60)]);
        let mut other_id = good.clone();
        other_id.set_id(ID + 1);
        let mut a_query = good.clone();
        a_query.remove_flags(PacketFlag::RESPONSE);
        let mut other_name = good.clone();
        other_name.questions[0].qname = Name::new_unchecked("b.example");
        let mut other_kind = good.clone();
        other_kind.questions[0].qtype = QTYPE::TYPE(TYPE::AAAA);
        let mut no_question = good;
        no_question.questions.clear();
        for packet in [other_id, a_query, other_name, other_kind, no_question] {
            assert_eq!(read(&packet), Answer::NotMine, "{packet:?}");
        }
    }

    #[test]
    fn codes_and_cuts_are_told_apart() {
        let mut packet = reply(Vec::new());
        *packet.rcode_mut() = RCODE::NameError;
        assert_eq!(read(&packet), Answer::Unknown);
        *packet.rcode_mut() = RCODE::ServerFailure;
        assert_eq!(read(&packet), Answer::Refused("ServerFailure".to_owned()));
        packet.set_flags(PacketFlag::TRUNCATION);
        assert_eq!(read(&packet), Answer::Cut);
    }

    #[test]
    fn a_question_is_one_that_a_server_can_read() {
        let bytes = query().bytes().expect("a message");
        let packet = Packet::parse(&bytes).expect("a message");
        assert!(packet.has_flags(PacketFlag::RECURSION_DESIRED));
        assert!(query().is_asked_by(&packet));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd_to_be_read(bytes: Vec<u8>) {
            query().read(&bytes);
        }
    }
}

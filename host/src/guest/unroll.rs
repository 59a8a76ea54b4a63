//! Repeats the body of small loops, so that what a loop pays each time it begins anew is paid less often.
//!
//! Wherever a loop begins anew the engine has the guest look whether it is to give way, and in the compute lane whether it has
//! fuel left. To look costs little; but either look may call the host, and what is in registers across a call is kept in memory
//! instead, all the way round the loop. With the body written four times and the loop begun anew after the fourth, three in four
//! rounds go without. What a guest computes stays as it was. It is interrupted up to three rounds of a small loop later, and a
//! loop that ends within a copy takes one unit of fuel more: it is left by a branch.
//!
//! It runs before the bytes were validated, and what it makes of them is validated like anything an author wrote.
//!
//! The loop
//!
//! ```wat
//! loop $again (result i32)
//!   BODY
//! end
//! ```
//!
//! becomes
//!
//! ```wat
//! block $done (result i32)
//!   loop $again (result i32)
//!     block $next BODY (br $done) end  ;; in which `br $again` is `br $next`
//!     …
//!     BODY
//!   end
//! end
//! ```

use std::ops::Range;

use wasm_encoder::{CodeSection, Encode as _, Section as _};
use wasmparser::{BinaryReader, BlockType, CodeSectionReader, FunctionBody, Operator, Payload};

use super::rewrite::{Rewritten, rewrite};

/// How often a body stands there in the end.
const COPIES: usize = 4;

/// Operators of a body that is repeated, at most: in a longer one the look is a small part of the whole.
const LONGEST: usize = 128;

/// By what part of its code a module may grow: few grow by half of that. The shortest loops, which gain most, come first.
const GROWTH: usize = 2;

/// Bytes of code beyond which a module stays as it is. It is an interpreter's, and takes half a minute and more to compile without
/// being any larger.
const LARGEST: usize = 2 << 20;

/// A module or component with its small loops unrolled, in whatever it nests too.
///
/// # Errors
/// When the bytes are no WebAssembly.
pub(super) fn unroll(wasm: &[u8]) -> anyhow::Result<Vec<u8>> {
    unroll_within(wasm, room)
}

/// By how much a module may grow that has so many bytes of code.
fn room(code: usize) -> usize {
    if code > LARGEST { 0 } else { code / GROWTH }
}

/// The same, where a module with so many bytes of code may grow by what `room` says.
fn unroll_within(wasm: &[u8], room: impl Fn(usize) -> usize) -> anyhow::Result<Vec<u8>> {
    rewrite(wasm, |payload| match payload {
        Payload::CodeSectionStart { range, .. } if room(range.len()) > 0 => {
            let mut section = Vec::new();
            code(&wasm[range.clone()], room(range.len()))?.append_to(&mut section);
            Ok(Rewritten::Replaced(section))
        }
        _ => Ok(Rewritten::Kept),
    })
}

/// The functions of a module, grown by no more than `room`.
fn code(section: &[u8], room: usize) -> anyhow::Result<CodeSection> {
    let bodies = || CodeSectionReader::new(BinaryReader::new(section, 0));
    let mut lengths = Vec::new();
    for body in bodies()? {
        if let Some(pieces) = pieces(&body?)? {
            lengths.extend(small_loops(&pieces).into_iter().map(|one| length(&pieces, &one)));
        }
    }
    let longest = affordable(lengths, room);
    let mut unrolled = CodeSection::new();
    for body in bodies()? {
        let body = body?;
        let before = &section[body.range()];
        match function(&body, before, longest)? {
            Some(after) => unrolled.raw(&after),
            None => unrolled.raw(before),
        };
    }
    Ok(unrolled)
}

/// The length in bytes up to which all loops can be repeated if a module is to grow by no more than `room`.
fn affordable(mut lengths: Vec<usize>, mut room: usize) -> usize {
    lengths.sort_unstable();
    let mut longest = 0;
    for same in lengths.chunk_by(usize::eq) {
        let Some(left) = room.checked_sub(same.iter().sum::<usize>() * (COPIES - 1)) else { break };
        (room, longest) = (left, same[0]);
    }
    longest
}

fn length(pieces: &[Piece<'_>], one: &Range<usize>) -> usize {
    pieces[one.end].bytes.end - pieces[one.start].bytes.start
}

/// What an operator is to a loop around it.
enum Kind {
    /// A block, an `if`, a loop whose type is this.
    Opens(Option<BlockType>),
    /// The end of one.
    Ends,
    /// It may go on at labels.
    Branches,
    /// It calls a function, of the guest's or of the engine's.
    Calls,
    /// Anything else.
    Plain,
}

/// An operator and its bytes.
struct Piece<'a> {
    kind: Kind,
    operator: Operator<'a>,
    bytes: Range<usize>,
}

/// A function with its small loops unrolled, those of at most `longest` bytes; `None` when it has none.
fn function(body: &FunctionBody<'_>, bytes: &[u8], longest: usize) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(pieces) = pieces(body)? else { return Ok(None) };
    let mut loops = small_loops(&pieces);
    loops.retain(|one| length(&pieces, one) <= longest);
    let Some(first) = pieces.first().filter(|_| !loops.is_empty()) else { return Ok(None) };
    // What stands before the first operator are locals.
    let mut out = bytes[..first.bytes.start].to_vec();
    let mut next = 0;
    for Range { start, end } in loops {
        out.extend(&bytes[first_byte(&pieces, next)..first_byte(&pieces, start)]);
        repeat(&pieces[start..=end], bytes, &mut out);
        next = end + 1;
    }
    out.extend(&bytes[first_byte(&pieces, next)..]);
    Ok(Some(out))
}

fn first_byte(pieces: &[Piece<'_>], n: usize) -> usize {
    pieces.get(n).map_or_else(|| pieces.last().map_or(0, |last| last.bytes.end), |piece| piece.bytes.start)
}

/// The operators of a function, their places counted from the function's own first byte; `None` when one may branch in a way
/// that is not known here.
fn pieces<'a>(body: &FunctionBody<'a>) -> anyhow::Result<Option<Vec<Piece<'a>>>> {
    let origin = body.range().start;
    let mut reader = body.get_operators_reader()?;
    let mut pieces = Vec::new();
    while !reader.eof() {
        let start = reader.original_position() - origin;
        let operator = reader.read()?;
        let end = reader.original_position() - origin;
        let kind = match &operator {
            Operator::Loop { blockty } => Kind::Opens(Some(*blockty)),
            Operator::Block { .. } | Operator::If { .. } => Kind::Opens(None),
            Operator::End => Kind::Ends,
            Operator::Br { .. } | Operator::BrIf { .. } | Operator::BrTable { .. } => Kind::Branches,
            Operator::Call { .. }
            | Operator::CallIndirect { .. }
            | Operator::ReturnCall { .. }
            | Operator::ReturnCallIndirect { .. }
            | Operator::MemoryGrow { .. }
            | Operator::MemoryCopy { .. }
            | Operator::MemoryFill { .. } => Kind::Calls,
            Operator::BrOnNull { .. }
            | Operator::BrOnNonNull { .. }
            | Operator::BrOnCast { .. }
            | Operator::BrOnCastFail { .. }
            | Operator::Try { .. }
            | Operator::TryTable { .. }
            | Operator::Catch { .. }
            | Operator::CatchAll
            | Operator::Delegate { .. }
            | Operator::Rethrow { .. } => return Ok(None),
            _ => Kind::Plain,
        };
        pieces.push(Piece { kind, operator, bytes: start..end });
    }
    Ok(Some(pieces))
}

/// A block, an `if` or a loop whose end has not come.
struct Open {
    /// Where it began, if it is a loop that may be repeated.
    start: Option<usize>,
    /// Loops begun so far, it among them. If there are no more of them at its end, it holds none.
    seen: usize,
    /// Whether something branches to it.
    begins_anew: bool,
}

/// The loops that are repeated, each from its `loop` to its `end`: those that are short, hold no other and begin anew. One that
/// calls keeps nothing in registers all the way round as it is, and gains little.
fn small_loops(pieces: &[Piece<'_>]) -> Vec<Range<usize>> {
    let mut open: Vec<Open> = Vec::new();
    let (mut seen, mut called, mut loops) = (0, None, Vec::new());
    for (n, piece) in pieces.iter().enumerate() {
        match &piece.kind {
            Kind::Opens(Some(blockty)) => {
                seen += 1;
                let takes_nothing = !matches!(blockty, BlockType::FuncType(_));
                open.push(Open { start: takes_nothing.then_some(n), seen, begins_anew: false });
            }
            Kind::Opens(None) => open.push(Open { start: None, seen, begins_anew: false }),
            Kind::Branches => {
                for depth in labels(&piece.operator) {
                    let target = open.len().checked_sub(depth as usize + 1);
                    if let Some(target) = target.and_then(|n| open.get_mut(n)) {
                        target.begins_anew = true;
                    }
                }
            }
            Kind::Ends => {
                if let Some(Open { start: Some(start), seen: then, begins_anew: true }) = open.pop()
                    && then == seen
                    && called.is_none_or(|call: usize| call < start)
                    && n - start <= LONGEST
                {
                    loops.push(start..n);
                }
            }
            Kind::Calls => called = Some(n),
            Kind::Plain => {}
        }
    }
    loops
}

fn labels(operator: &Operator<'_>) -> Vec<u32> {
    match operator {
        Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => vec![*relative_depth],
        // A table that cannot be read was refused when it was.
        Operator::BrTable { targets } => targets.targets().flatten().chain([targets.default()]).collect(),
        _ => Vec::new(),
    }
}

/// Writes a loop, from its `loop` to its `end`, with its body so many times.
fn repeat(pieces: &[Piece<'_>], bytes: &[u8], out: &mut Vec<u8>) {
    let [begin, body @ .., end] = pieces else { return };
    let (begin, end) = (&bytes[begin.bytes.clone()], &bytes[end.bytes.clone()]);
    out.push(BLOCK);
    out.extend(&begin[1..]);
    out.extend(begin);
    for _ in 1..COPIES {
        out.extend([BLOCK, EMPTY]);
        // Around it: the block, the loop, the block around that.
        copy(body, bytes, 2, out);
        out.push(BR);
        2_u32.encode(out);
        out.extend(end);
    }
    copy(body, bytes, 1, out);
    out.extend(end);
    out.extend(end);
}

const BLOCK: u8 = 0x02;
const EMPTY: u8 = 0x40;
const BR: u8 = 0x0c;
const BR_IF: u8 = 0x0d;
const BR_TABLE: u8 = 0x0e;

/// Writes a body around which there are so many blocks more than there were.
fn copy(body: &[Piece<'_>], bytes: &[u8], more: u32, out: &mut Vec<u8>) {
    let mut within = 0_u32;
    for piece in body {
        match &piece.kind {
            Kind::Opens(_) => within += 1,
            Kind::Ends => within -= 1,
            Kind::Branches | Kind::Calls | Kind::Plain => {}
        }
        // What stood for the loop stands for the block in its place, and what is further out is further by so many.
        let moved = |depth: u32| if depth > within { depth.saturating_add(more) } else { depth };
        match &piece.operator {
            Operator::Br { relative_depth } => {
                out.push(BR);
                moved(*relative_depth).encode(out);
            }
            Operator::BrIf { relative_depth } => {
                out.push(BR_IF);
                moved(*relative_depth).encode(out);
            }
            Operator::BrTable { .. } => {
                let mut labels = labels(&piece.operator);
                let default = labels.pop().unwrap_or_default();
                out.push(BR_TABLE);
                (labels.len() as u32).encode(out);
                labels.into_iter().chain([default]).for_each(|depth| moved(depth).encode(out));
            }
            _ => out.extend(&bytes[piece.bytes.clone()]),
        }
    }
}

#[cfg(test)]
#[path = "unroll_tests.rs"]
mod tests;

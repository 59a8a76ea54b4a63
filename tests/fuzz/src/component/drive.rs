//! An entry for a module that has none: it calls the module's functions and the host's as a plan says.
//!
//! A step of the plan is a byte that chooses a function among all that the module imports, then all that it exports, and a
//! byte for each of its parameters: see [`Entry::argument`].

use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, HeapType, Instruction, MemArg, MemArgTarget,
    Module, TypeSection, ValType,
    reencode::{Error, Reencode, utils},
};
use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, TypeRef};

use super::plan::Plan;

/// Steps of one entry; what a loop does is a loop's business.
const MAX_STEPS: usize = 64;

/// The locals that arguments are taken from and results go to. The entry's parameters are the first.
const LOCALS: u32 = 8;

/// Where the host puts text that it passes in.
const ROOM: i32 = 32 << 10;

/// A module's functions and edges.
#[derive(Default)]
struct Outline {
    types: Vec<Option<FuncType>>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    imported: u32,
    is_http: bool,
    exports: Vec<(String, ExternalKind, u32)>,
    memories: u32,
    has_code: bool,
}

impl Outline {
    fn read(wasm: &[u8]) -> Option<Self> {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.ok()? {
                Payload::Version { encoding, .. } if encoding != wasmparser::Encoding::Module => return None,
                Payload::TypeSection(section) => {
                    for one in section.into_iter().flatten().flat_map(|group| group.into_types()) {
                        outline.types.push(match one.composite_type.inner {
                            CompositeInnerType::Func(function) => Some(function),
                            _ => None,
                        });
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import.ok()?;
                        outline.is_http |= import.module.starts_with("wasi:http/");
                        match import.ty {
                            TypeRef::Func(index) => outline.functions.push(index),
                            TypeRef::Memory(_) => outline.memories += 1,
                            _ => {}
                        }
                    }
                    outline.imported = u32::try_from(outline.functions.len()).ok()?;
                }
                Payload::FunctionSection(section) => outline.functions.extend(section.into_iter().flatten()),
                Payload::MemorySection(section) => outline.memories += section.count(),
                Payload::ExportSection(section) => {
                    for export in section.into_iter().flatten() {
                        outline.exports.push((export.name.to_owned(), export.kind, export.index));
                    }
                }
                Payload::CodeSectionStart { .. } => outline.has_code = true,
                _ => {}
            }
        }
        Some(outline)
    }

    /// What a step can call.
    fn callable(&self) -> Vec<(u32, FuncType)> {
        let exported = self.exports.iter().filter(|(_, kind, _)| *kind == ExternalKind::Func).map(|one| one.2);
        let simple = |index: u32| {
            let function = self.types.get(*self.functions.get(index as usize)? as usize)?.clone()?;
            function.params().iter().all(|kind| value(*kind, 0).is_some()).then_some((index, function))
        };
        (0..self.imported).chain(exported).filter_map(simple).collect()
    }
}

/// The module with an entry: a handler where it imports from wasi:http, else a command. `None` where it has one already,
/// or is no module that could get one.
pub(super) fn with_entry(wasm: &[u8], plan: &Plan) -> Option<Vec<u8>> {
    let outline = Outline::read(wasm)?;
    let has = |wanted: &str| outline.exports.iter().any(|(name, ..)| name == wanted || name.ends_with(wanted));
    if !outline.has_code || has("_start") || has("#handle") || outline.exports.is_empty() {
        return None;
    }
    let entry = Entry { steps: plan.steps(), outline: &outline, next: 0 }.body();
    let mut driver = Driver { entry, outline: &outline, needs_realloc: !has("cabi_realloc") };
    let mut module = Module::new();
    driver.parse_core_module(&mut module, Parser::new(0), wasm).ok()?;
    Some(module.finish())
}

/// Copies a module and adds the entry at the end of each section, so that no index changes.
struct Driver<'a> {
    entry: Function,
    outline: &'a Outline,
    needs_realloc: bool,
}

impl Driver<'_> {
    fn new_type(&self) -> u32 {
        self.outline.types.len() as u32
    }
}

type Done = Result<(), Error<std::convert::Infallible>>;

impl Reencode for Driver<'_> {
    type Error = std::convert::Infallible;

    fn parse_type_section(&mut self, types: &mut TypeSection, section: wasmparser::TypeSectionReader<'_>) -> Done {
        utils::parse_type_section(self, types, section)?;
        let params = if self.outline.is_http { 2 } else { 0 };
        types.ty().function(vec![ValType::I32; params], []);
        types.ty().function([ValType::I32; 4], [ValType::I32]);
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Done {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.new_type()).function(self.new_type() + 1);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Done {
        utils::parse_export_section(self, exports, section)?;
        let entry = self.outline.functions.len() as u32;
        let name = if self.outline.is_http { "wasi:http/incoming-handler@0.2.12#handle" } else { "_start" };
        exports.export(name, ExportKind::Func, entry);
        if self.needs_realloc {
            exports.export("cabi_realloc", ExportKind::Func, entry + 1);
        }
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: wasmparser::CodeSectionReader<'_>) -> Done {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.entry);
        let mut realloc = Function::new([]);
        realloc.instruction(&Instruction::I32Const(ROOM)).instruction(&Instruction::End);
        code.function(&realloc);
        Ok(())
    }
}

/// The entry's code, while the plan's bytes last.
struct Entry<'a> {
    steps: &'a [u8],
    outline: &'a Outline,
    /// The local that the next result goes to.
    next: u32,
}

impl Entry<'_> {
    fn body(mut self) -> Function {
        let params = if self.outline.is_http { 2 } else { 0 };
        let mut body = Function::new([(LOCALS - params, ValType::I32)]);
        let callable = self.outline.callable();
        for _ in 0..MAX_STEPS {
            let Some(choice) = self.take().filter(|_| !callable.is_empty()) else { break };
            let (index, function) = &callable[usize::from(choice) % callable.len()];
            for kind in function.params() {
                let byte = self.take().unwrap_or(0);
                for instruction in self.argument(*kind, byte) {
                    body.instruction(&instruction);
                }
            }
            body.instruction(&Instruction::Call(*index));
            for kind in function.results().iter().rev() {
                self.keep(*kind, &mut body);
            }
        }
        body.instruction(&Instruction::End);
        body
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.steps.split_first()?;
        self.steps = rest;
        Some(*first)
    }

    /// A number up to 31 is itself; then come the locals, words of memory from 0 on, addresses in steps of 64, and numbers
    /// at the edges.
    fn argument(&self, kind: wasmparser::ValType, byte: u8) -> Vec<Instruction<'static>> {
        const EDGES: [i32; 8] = [-1, i32::MIN, i32::MAX, 65_535, 65_536, 1 << 20, -8, 1 << 30];
        let short = i32::from(byte);
        match (kind, byte) {
            (wasmparser::ValType::I32, 32..64) => vec![Instruction::LocalGet(u32::from(byte) % LOCALS)],
            (wasmparser::ValType::I32, 64..128) if self.outline.memories > 0 => {
                let word = MemArg { offset: 0, align: 2, target: MemArgTarget::Memory(0), ordering: None };
                vec![Instruction::I32Const((short - 64) * 4), Instruction::I32Load(word)]
            }
            (wasmparser::ValType::I32, 128..192) => vec![Instruction::I32Const((short - 128) * 64)],
            (wasmparser::ValType::I32, 192..) => vec![Instruction::I32Const(EDGES[usize::from(byte) % EDGES.len()])],
            (kind, _) => value(kind, short).into_iter().collect(),
        }
    }

    fn keep(&mut self, kind: wasmparser::ValType, body: &mut Function) {
        if kind != wasmparser::ValType::I32 {
            body.instruction(&Instruction::Drop);
            return;
        }
        // The parameters stay where they are: they are the way to a response.
        body.instruction(&Instruction::LocalSet(2 + self.next % (LOCALS - 2)));
        self.next += 1;
    }
}

/// A constant of a type; `None` for types that have none everywhere.
fn value(kind: wasmparser::ValType, number: i32) -> Option<Instruction<'static>> {
    Some(match kind {
        wasmparser::ValType::I32 => Instruction::I32Const(number),
        wasmparser::ValType::I64 => Instruction::I64Const(i64::from(number as i8) << 28),
        wasmparser::ValType::F32 => Instruction::F32Const(f32::from(number as i16).into()),
        wasmparser::ValType::F64 => Instruction::F64Const(f64::from(number).into()),
        wasmparser::ValType::V128 => Instruction::V128Const(i128::from(number)),
        wasmparser::ValType::Ref(it) if it == wasmparser::RefType::FUNCREF => Instruction::RefNull(HeapType::FUNC),
        wasmparser::ValType::Ref(it) if it == wasmparser::RefType::EXTERNREF => Instruction::RefNull(HeapType::EXTERN),
        wasmparser::ValType::Ref(_) => return None,
    })
}

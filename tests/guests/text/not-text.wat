;; Not WebAssembly text: the second line does not parse.
(module (func $unfinished (i32.const 1

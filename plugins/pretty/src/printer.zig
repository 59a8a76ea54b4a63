//! JSON's tokens, laid out.
const std = @import("std");

/// Puts tokens to an `Out`, anything with `write([]const u8) void`. It holds what is open, and nothing of the document.
pub fn Printer(comptime Out: type, comptime most_depth: usize) type {
    return struct {
        out: Out,
        indent: usize,
        /// Of each thing that is open, whether it is an object.
        open: [most_depth]bool = undefined,
        depth: usize = 0,
        /// Nothing is in the innermost one yet.
        empty: bool = true,
        /// A member's name has been put, its value has not.
        named: bool = false,
        /// The string that is being put is such a name.
        naming: bool = false,
        /// Within a string or a number that comes in parts.
        partial: bool = false,

        const Self = @This();

        pub fn put(self: *Self, token: std.json.Token) error{TooDeep}!void {
            switch (token) {
                .object_begin => try self.begin(true),
                .array_begin => try self.begin(false),
                .object_end => self.end('}'),
                .array_end => self.end(']'),
                .true, .false, .null => self.whole(@tagName(token)),
                .number => |text| self.number(text, true),
                .partial_number => |text| self.number(text, false),
                .string => |text| self.string(text, true),
                .partial_string => |text| self.string(text, false),
                .partial_string_escaped_1 => |text| self.string(&text, false),
                .partial_string_escaped_2 => |text| self.string(&text, false),
                .partial_string_escaped_3 => |text| self.string(&text, false),
                .partial_string_escaped_4 => |text| self.string(&text, false),
                .allocated_number, .allocated_string, .end_of_document => unreachable,
            }
        }

        fn begin(self: *Self, object: bool) error{TooDeep}!void {
            if (self.depth == most_depth) return error.TooDeep;
            self.whole(if (object) "{" else "[");
            self.open[self.depth] = object;
            self.depth += 1;
            self.empty = true;
        }

        fn end(self: *Self, bracket: u8) void {
            self.depth -= 1;
            if (!self.empty) self.line();
            self.empty = false;
            self.out.write(&.{bracket});
        }

        fn whole(self: *Self, text: []const u8) void {
            self.place();
            self.out.write(text);
        }

        fn number(self: *Self, text: []const u8, last: bool) void {
            if (!self.partial) self.place();
            self.out.write(text);
            self.partial = !last;
        }

        fn string(self: *Self, text: []const u8, last: bool) void {
            if (!self.partial) {
                // In an object, what has no name is one.
                self.naming = !self.named and self.depth > 0 and self.open[self.depth - 1];
                self.place();
                self.out.write("\"");
            }
            self.escaped(text);
            self.partial = !last;
            if (!last) return;
            self.out.write("\"");
            if (!self.naming) return;
            self.out.write(if (self.indent == 0) ":" else ": ");
            self.naming = false;
            self.named = true;
        }

        /// Goes to where the next thing stands.
        fn place(self: *Self) void {
            if (self.named) {
                self.named = false;
                return;
            }
            if (self.depth == 0) return;
            if (!self.empty) self.out.write(",");
            self.empty = false;
            self.line();
        }

        fn line(self: *Self) void {
            if (self.indent == 0) return;
            self.out.write("\n");
            for (0..self.depth * self.indent) |_| self.out.write(" ");
        }

        /// A part of a string as it stands between its quotes.
        fn escaped(self: *Self, text: []const u8) void {
            var from: usize = 0;
            for (text, 0..) |byte, at| {
                if (byte >= ' ' and byte != '"' and byte != '\\') continue;
                self.out.write(text[from..at]);
                from = at + 1;
                self.escape(byte);
            }
            self.out.write(text[from..]);
        }

        fn escape(self: *Self, byte: u8) void {
            const short = switch (byte) {
                '"' => "\\\"",
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                else => return self.control(byte),
            };
            self.out.write(short);
        }

        fn control(self: *Self, byte: u8) void {
            var text: [6]u8 = undefined;
            self.out.write(std.fmt.bufPrint(&text, "\\u{x:0>4}", .{byte}) catch unreachable);
        }
    };
}

//! pretty: a CGI command. plugin.toml says which requests come here.
const std = @import("std");
const c = std.c;
const Printer = @import("printer.zig").Printer;

/// Deeper than any document that a person reads. Its lines would be indentation for the most part.
const most_depth = 128;
const most_indent = 8;

/// What comes and what goes passes through these, whatever a document's size.
var input: [64 << 10]u8 = undefined;
var output: [64 << 10]u8 = undefined;

pub fn main() void {
    const indent = indentOf(told("QUERY_STRING")) orelse
        return problem("400 Bad Request", "indent is a number from 0 to {d}.", .{most_indent});
    var out = Out{};
    var printer = Printer(*Out, most_depth){ .out = &out, .indent = indent };
    var scanner = std.json.Scanner.initStreaming(std.heap.c_allocator);
    var place = std.json.Scanner.Diagnostics{};
    scanner.enableDiagnostics(&place);
    print(&scanner, &printer) catch |failure| {
        const why = switch (failure) {
            error.SyntaxError => "this is no JSON",
            error.UnexpectedEndOfInput => "the document does not end",
            error.TooDeep => std.fmt.comptimePrint("it is nested more than {d} deep", .{most_depth}),
            error.OutOfMemory => @panic("no memory"),
        };
        // What is under way cannot become another answer: a response that breaks off is not taken for a whole one.
        if (out.begun) std.debug.panic("line {d}, column {d}: {s}", .{ place.getLine(), place.getColumn(), why });
        return problem("422 Unprocessable Content", "Line {d}, column {d}: {s}.", .{ place.getLine(), place.getColumn(), why });
    };
    out.write("\n");
    out.flush();
}

/// Token by token; the document is never there as a whole.
fn print(scanner: *std.json.Scanner, printer: anytype) !void {
    while (true) {
        const token = scanner.next() catch |failure| switch (failure) {
            error.BufferUnderrun => {
                const length = read(&input);
                if (length == 0) scanner.endInput() else scanner.feedInput(input[0..length]);
                continue;
            },
            else => |other| return other,
        };
        if (token == .end_of_document) return;
        try printer.put(token);
    }
}

/// Spaces for each level: `?indent=`, else 2. Without any, everything is on one line.
fn indentOf(query: []const u8) ?usize {
    var pairs = std.mem.splitScalar(u8, query, '&');
    while (pairs.next()) |pair| {
        if (!std.mem.startsWith(u8, pair, "indent=")) continue;
        const indent = std.fmt.parseInt(usize, pair["indent=".len..], 10) catch return null;
        return if (indent <= most_indent) indent else null;
    }
    return 2;
}

/// The answer. Nothing of it goes out before there is a buffer full or it is whole, so that a small document that is wrong
/// has an answer that says so.
const Out = struct {
    filled: usize = 0,
    begun: bool = false,

    pub fn write(out: *Out, bytes: []const u8) void {
        var left = bytes;
        while (left.len > 0) {
            if (out.filled == output.len) out.flush();
            const length = @min(left.len, output.len - out.filled);
            @memcpy(output[out.filled..][0..length], left[0..length]);
            out.filled += length;
            left = left[length..];
        }
    }

    fn flush(out: *Out) void {
        if (!out.begun) send("Content-Type: application/json\r\n\r\n");
        out.begun = true;
        send(output[0..out.filled]);
        out.filled = 0;
    }
};

/// An error in the form of RFC 9457.
fn problem(comptime status: []const u8, comptime detail: []const u8, values: anytype) void {
    var text: [512]u8 = undefined;
    const form = "Status: " ++ status ++ "\r\nContent-Type: application/problem+json\r\n\r\n" ++
        "{{\"title\":\"" ++ status[4..] ++ "\",\"status\":" ++ status[0..3] ++ ",\"detail\":\"" ++ detail ++ "\"}}\n";
    send(std.fmt.bufPrint(&text, form, values) catch unreachable);
}

/// What the host says of the request: the variables of RFC 3875 and each header as HTTP_….
fn told(name: [*:0]const u8) []const u8 {
    return if (c.getenv(name)) |value| std.mem.span(value) else "";
}

fn read(into: []u8) usize {
    const length = c.read(0, into.ptr, into.len);
    if (length < 0) @panic("the request broke off");
    return @intCast(length);
}

fn send(bytes: []const u8) void {
    var left = bytes;
    while (left.len > 0) {
        const length = c.write(1, left.ptr, left.len);
        if (length < 0) @panic("the response cannot be written");
        left = left[@intCast(length)..];
    }
}

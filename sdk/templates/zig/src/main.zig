//! {{name}}: a CGI command. plugin.toml says which requests come here.
const std = @import("std");
const c = std.c;

const memory = std.heap.c_allocator;

pub fn main() void {
    const route = told("HTTP_WASMBAY_ROUTE");
    if (is(route, "/{{name}}/hello/{who}")) return hello();
    if (is(route, "/{{name}}/sum")) return sum();
    if (is(route, "/{{name}}/echo")) return echo();
    if (is(route, "/{{name}}/fail")) @panic("nobody catches this: it is a failure of the plugin, and its log says so");
    problem(404, "Not Found", "There is no such path.");
}

/// GET /{{name}}/hello/{who}?times=N
fn hello() void {
    const who = std.Uri.percentDecodeInPlace(memory.dupe(u8, told("HTTP_WASMBAY_PARAM_WHO")) catch @panic("no memory"));
    var times: usize = 1;
    var pairs = std.mem.splitScalar(u8, told("QUERY_STRING"), '&');
    while (pairs.next()) |pair| {
        if (std.mem.startsWith(u8, pair, "times=")) times = std.fmt.parseInt(usize, pair["times=".len..], 10) catch 1;
    }
    head("200 OK", "text/plain; charset=utf-8");
    for (0..times) |_| print("hello {s}\n", .{who});
}

/// POST /{{name}}/sum with a JSON list of numbers
fn sum() void {
    var body: [65536]u8 = undefined;
    var length: usize = 0;
    while (length < body.len) {
        const piece = read(body[length..]);
        if (piece == 0) break;
        length += piece;
    }
    const numbers = std.json.parseFromSlice([]f64, memory, body[0..length], .{}) catch
        return problem(400, "Bad Request", "The body is not a list of numbers.");
    var total: f64 = 0;
    for (numbers.value) |number| total += number;
    head("200 OK", "application/json");
    print("{{\"sum\":{d}}}\n", .{total});
}

/// POST /{{name}}/echo: piece by piece, so that the body's size does not matter
fn echo() void {
    const kind = told("CONTENT_TYPE");
    head("200 OK", if (kind.len > 0) kind else "application/octet-stream");
    var piece: [16384]u8 = undefined;
    while (true) {
        const length = read(&piece);
        if (length == 0) return;
        write(piece[0..length]);
    }
}

/// An error in the form of RFC 9457.
fn problem(status: u16, title: []const u8, detail: []const u8) void {
    var line: [64]u8 = undefined;
    head(std.fmt.bufPrint(&line, "{d} {s}", .{ status, title }) catch unreachable, "application/problem+json");
    print("{{\"title\":\"{s}\",\"status\":{d},\"detail\":\"{s}\"}}\n", .{ title, status, detail });
}

/// What the host says of the request: the variables of RFC 3875 and each header as HTTP_….
fn told(name: [*:0]const u8) []const u8 {
    return if (c.getenv(name)) |value| std.mem.span(value) else "";
}

fn is(text: []const u8, other: []const u8) bool {
    return std.mem.eql(u8, text, other);
}

fn head(status: []const u8, kind: []const u8) void {
    print("Status: {s}\r\nContent-Type: {s}\r\n\r\n", .{ status, kind });
}

fn print(comptime format: []const u8, values: anytype) void {
    var line: [4096]u8 = undefined;
    write(std.fmt.bufPrint(&line, format, values) catch @panic("a line that is too long"));
}

fn read(into: []u8) usize {
    const length = c.read(0, into.ptr, into.len);
    if (length < 0) @panic("the request broke off");
    return @intCast(length);
}

fn write(bytes: []const u8) void {
    var left = bytes;
    while (left.len > 0) {
        const length = c.write(1, left.ptr, left.len);
        if (length < 0) @panic("the response cannot be written");
        left = left[@intCast(length)..];
    }
}

//! Types of the standard library that are known by name, because no program can change their form.

/// Import path, name, and the type beneath, in Go. What is listed has the same form in every
/// release from Go 1.15 to 1.27 that has it.
pub(super) const TYPES: &[(&str, &str, &str)] = &[
    ("bytes", "Buffer", "struct{buf []byte; off int; lastRead int8}"),
    ("context", "CancelCauseFunc", "func(error)"),
    ("context", "CancelFunc", "func()"),
    ("database/sql", "IsolationLevel", "int"),
    ("database/sql", "NullBool", "struct{Bool bool; Valid bool}"),
    (
        "database/sql",
        "NullFloat64",
        "struct{Float64 float64; Valid bool}",
    ),
    ("database/sql", "NullInt32", "struct{Int32 int32; Valid bool}"),
    ("database/sql", "NullInt64", "struct{Int64 int64; Valid bool}"),
    ("database/sql", "NullString", "struct{String string; Valid bool}"),
    ("database/sql", "NullTime", "struct{Time time.Time; Valid bool}"),
    ("database/sql/driver", "Value", "any"),
    ("encoding/json", "Delim", "rune"),
    ("encoding/json", "Number", "string"),
    ("encoding/json", "RawMessage", "[]byte"),
    ("io/fs", "FileMode", "uint32"),
    ("log/slog", "Level", "int"),
    ("math/big", "Int", "struct{neg bool; abs []uint}"),
    ("math/big", "Word", "uint"),
    ("net", "HardwareAddr", "[]byte"),
    ("net", "IP", "[]byte"),
    ("net", "IPMask", "[]byte"),
    ("net", "IPNet", "struct{IP net.IP; Mask net.IPMask}"),
    ("net/http", "ConnState", "int"),
    ("net/http", "Dir", "string"),
    (
        "net/http",
        "HandlerFunc",
        "func(net/http.ResponseWriter, *net/http.Request)",
    ),
    ("net/http", "Header", "map[string][]string"),
    ("net/http", "SameSite", "int"),
    (
        "net/netip",
        "Addr",
        "struct{addr struct{hi uint64; lo uint64}; z *struct{}}",
    ),
    ("net/netip", "AddrPort", "struct{ip net/netip.Addr; port uint16}"),
    ("net/url", "Values", "map[string][]string"),
    ("os", "FileMode", "uint32"),
    ("reflect", "Kind", "uint"),
    (
        "reflect",
        "Value",
        "struct{typ *struct{}; ptr unsafe.Pointer; flag uintptr}",
    ),
    ("strings", "Builder", "struct{addr *strings.Builder; buf []byte}"),
    ("syscall", "Errno", "uintptr"),
    ("syscall", "Signal", "int"),
    ("time", "Duration", "int64"),
    ("time", "Month", "int"),
    (
        "time",
        "Time",
        "struct{wall uint64; ext int64; loc *time.Location}",
    ),
    ("time", "Weekday", "int"),
];

/// Interfaces with methods: two words each.
pub(super) const INTERFACES: &[(&str, &[&str])] = &[
    ("context", &["Context"]),
    ("crypto", &["Decrypter", "Signer"]),
    ("crypto/cipher", &["AEAD", "Block", "BlockMode", "Stream"]),
    ("database/sql", &["Result", "Scanner"]),
    (
        "database/sql/driver",
        &[
            "Conn",
            "Connector",
            "Driver",
            "Result",
            "Rows",
            "Stmt",
            "Tx",
            "Valuer",
        ],
    ),
    (
        "encoding",
        &[
            "BinaryMarshaler",
            "BinaryUnmarshaler",
            "TextMarshaler",
            "TextUnmarshaler",
        ],
    ),
    ("encoding/json", &["Marshaler", "Unmarshaler"]),
    ("flag", &["Getter", "Value"]),
    (
        "fmt",
        &["Formatter", "GoStringer", "Scanner", "State", "Stringer"],
    ),
    ("hash", &["Hash", "Hash32", "Hash64"]),
    ("image", &["Image"]),
    ("image/color", &["Color", "Model"]),
    (
        "io",
        &[
            "ByteReader",
            "ByteScanner",
            "ByteWriter",
            "Closer",
            "ReadCloser",
            "ReadSeekCloser",
            "ReadSeeker",
            "ReadWriteCloser",
            "ReadWriteSeeker",
            "ReadWriter",
            "Reader",
            "ReaderAt",
            "ReaderFrom",
            "RuneReader",
            "RuneScanner",
            "Seeker",
            "StringWriter",
            "WriteCloser",
            "WriteSeeker",
            "Writer",
            "WriterAt",
            "WriterTo",
        ],
    ),
    (
        "io/fs",
        &[
            "DirEntry",
            "FS",
            "File",
            "FileInfo",
            "ReadDirFS",
            "ReadFileFS",
            "StatFS",
            "SubFS",
        ],
    ),
    ("log/slog", &["Handler", "LogValuer", "Leveler"]),
    ("math/rand", &["Source", "Source64"]),
    ("net", &["Addr", "Conn", "Error", "Listener", "PacketConn"]),
    (
        "net/http",
        &[
            "CookieJar",
            "File",
            "FileSystem",
            "Flusher",
            "Handler",
            "Hijacker",
            "Pusher",
            "ResponseWriter",
            "RoundTripper",
        ],
    ),
    ("os", &["DirEntry", "FileInfo", "Signal"]),
    ("reflect", &["Type"]),
    ("runtime", &["Error"]),
    ("sort", &["Interface"]),
    ("sync", &["Locker"]),
    ("syscall", &["Conn", "RawConn"]),
    ("testing", &["TB"]),
];

/// What a name of the standard library stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The type beneath, in Go.
    Type(&'static str),
    Interface,
}

/// Looks a qualified name up: `http.Header` or `net/http.Header`. Gives its full name as well.
pub(super) fn find(name: &str) -> Option<(String, Known)> {
    let dot = name.rfind('.')?;
    let (package, short) = (&name[..dot], &name[dot + 1..]);
    let is_package = |path: &str| path == package || path.rsplit('/').next() == Some(package);
    let full = |path: &str| format!("{path}.{short}");
    if let Some((path, _, text)) = TYPES
        .iter()
        .find(|(path, ty, _)| is_package(path) && *ty == short)
    {
        return Some((full(path), Known::Type(text)));
    }
    INTERFACES
        .iter()
        .find(|(path, names)| is_package(path) && names.contains(&short))
        .map(|(path, _)| (full(path), Known::Interface))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::signature::parse;
    use crate::go::types::Types;

    #[test]
    fn names_with_and_without_their_path() {
        assert_eq!(find("http.Header").unwrap().0, "net/http.Header");
        assert_eq!(find("net/http.Header"), find("http.Header"));
        assert_eq!(find("io.Reader"), Some(("io.Reader".into(), Known::Interface)));
        assert_eq!(find("example.com/io.Reader"), None);
        assert_eq!(find("io.Readers"), None);
    }

    #[test]
    fn every_known_type_can_be_parsed() {
        let types = Types::default();
        for (path, name, _) in TYPES {
            let signature = parse(&format!("func({path}.{name})"), false, &types);
            let ty = types.get(signature.unwrap().parameters[0].ty);
            assert!(ty.size > 0, "{path}.{name}");
            assert_eq!(ty.name, format!("{path}.{name}"));
        }
    }
}

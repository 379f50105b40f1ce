package proc

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

const mapsFixture = `00400000-0060b000 r-xp 00000000 fe:00 1234                               /usr/bin/server
0080b000-00835000 rw-p 0020b000 fe:00 1234                               /usr/bin/server (deleted)
c000000000-c000400000 rw-p 00000000 00:00 0 
7f0000000000-7f0000001000 r--s 00001000 103:0a 18446744073709551615      /tmp/a b\012c  d
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
7ffd00100000-7ffd00102000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`

func TestParseMaps(t *testing.T) {
	got, err := ParseMaps(strings.NewReader(mapsFixture))
	if err != nil {
		t.Fatal(err)
	}
	want := []Mapping{
		{Start: 0x400000, End: 0x60b000, Exec: true, Dev: 0xfe << 32, Inode: 1234, Path: "/usr/bin/server"},
		{Start: 0x80b000, End: 0x835000, Offset: 0x20b000, Dev: 0xfe << 32, Inode: 1234, Path: "/usr/bin/server", Deleted: true},
		{Start: 0xc000000000, End: 0xc000400000},
		{Start: 0x7f0000000000, End: 0x7f0000001000, Offset: 0x1000, Dev: 0x103<<32 | 0xa, Inode: 1<<64 - 1, Path: "/tmp/a b\nc  d"},
		{Start: 0x7ffd00000000, End: 0x7ffd00021000, Path: "[stack]"},
		{Start: 0x7ffd00100000, End: 0x7ffd00102000, Exec: true, Path: "[vdso]"},
		{Start: 0xffffffffff600000, End: 0xffffffffff601000, Exec: true, Path: "[vsyscall]"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestParseMapsErrors(t *testing.T) {
	const good = "00400000-0060b000 r-xp 00000000 fe:00 1234 /x\n"
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"no dash", good + "00400000 r-xp 0 fe:00 1 /x\n", "line 2"},
		{"backwards", "2000-1000 r-xp 0 fe:00 1 /x\n", "line 1"},
		{"perms", "1000-2000 r-x 0 fe:00 1 /x\n", "line 1"},
		{"dev", "1000-2000 r-xp 0 fe 1 /x\n", "line 1"},
		{"address too long", "1000-20000000000000000 r-xp 0 fe:00 1 /x\n", "line 1"},
		{"inode", "1000-2000 r-xp 0 fe:00 x /x\n", "line 1"},
		{"short", "1000-2000\n", "line 1"},
		{"endless line", "1000-2000 r-xp 0 fe:00 1 /" + strings.Repeat("x", maxLine), "too long"},
	} {
		_, err := ParseMaps(strings.NewReader(tc.in))
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got error %v, want %q", tc.name, err, tc.want)
		}
	}
}

func FuzzParseMaps(f *testing.F) {
	f.Add([]byte(mapsFixture))
	f.Add([]byte("1-2 r-xp 0 0:0 0"))
	f.Add(bytes.Repeat([]byte("1-2 r-xp 0 0:0 0 x\n"), 1<<15))
	f.Add([]byte("1-2 r-xp 0 0:0 0 (deleted)\n-"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cost.Small.Hold(t, func() {
			maps, err := ParseMaps(bytes.NewReader(b))
			if err != nil && maps != nil && !strings.Contains(err.Error(), "token too long") {
				t.Fatalf("both maps and error %v", err)
			}
			for _, m := range maps {
				if m.End < m.Start || len(m.Path) > len(b) {
					t.Fatalf("impossible mapping %+v", m)
				}
			}
		})
	})
}

package proc

import (
	"net/netip"
	"strings"
	"testing"
)

const socketList = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:4A6A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0100007F:4A6A 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:4A6A 01 00000000:00000000 00:00000000 00000000  1000        0 3 1 0 20 4 30 10 -1
   3: 0100007F:C351 0100007F:4A6A 06 00000000:00000000 03:00000F00 00000000     0        0 0 3 0
   4: 00000000000000000000000001000000:C352 00000000000000000000000001000000:4A6A 01 0:0 0:0 0  1001 0 4
   5: 0000000000000000FFFF00000100007F:C353 0000000000000000FFFF00000100007F:4A6A 01 0:0 0:0 0  1002 0 5
`

func TestSocketOwner(t *testing.T) {
	for client, want := range map[string]int{"127.0.0.1:50000": 1000, "127.0.0.1:50001": -1, "127.0.0.1:50003": 1002, "127.0.0.1:50004": -1} {
		checkOwner(t, "127.0.0.1:19050", client, want)
	}
	checkOwner(t, "[::1]:19050", "[::1]:50002", 1001)
	checkOwner(t, "127.0.0.1:19051", "127.0.0.1:50000", -1)
}

func checkOwner(t *testing.T, server, client string, want int) {
	t.Helper()
	uid, ok := socketOwner(strings.NewReader(socketList), netip.MustParseAddrPort(client), netip.MustParseAddrPort(server))
	if ok != (want >= 0) || ok && uid != want {
		t.Errorf("%s -> %s: %d, %v, want %d", client, server, uid, ok, want)
	}
}

func FuzzSocketOwner(f *testing.F) {
	f.Add(socketList)
	f.Fuzz(func(t *testing.T, text string) {
		a := netip.MustParseAddrPort("127.0.0.1:50000")
		if uid, ok := socketOwner(strings.NewReader(text), a, a); uid < 0 || uid > 0 && !ok {
			t.Errorf("%d, %v", uid, ok)
		}
	})
}

package flame

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/mayfly-profiler/mayfly/internal/timeline"
)

//go:embed web/colours.js
var colours string

// kindColours are the colours of what goroutines spend their time on, the same on all pages and on terminals. Hues are those
// of Okabe and Ito, which all kinds of colour blindness tell apart; what is close in hue differs in lightness.
var kindColours = [timeline.Kinds]string{
	timeline.CPU: "#e69f00", timeline.GC: "#b59f00", timeline.Lock: "#d55e00", timeline.Channel: "#0072b2", timeline.Pool: "#332288",
	timeline.Limit: "#6a51a3", timeline.Network: "#56b4e9", timeline.Syscall: "#009e73", timeline.GoScheduler: "#cc79a7",
	timeline.OSScheduler: "#882255", timeline.Quota: "#aa4499", timeline.Timer: "#8c8c8c", timeline.Stopped: "#4d4d4d",
	timeline.Children: "#44aa99", timeline.Unknown: "#c4c4c4",
}

// Colour is that of a kind of time, as "#rrggbb".
func Colour(k timeline.Kind) string { return kindColours[k] }

// kindsScript is kindColours for the pages, by name.
func kindsScript() string {
	var b strings.Builder
	b.WriteString("const kindColours = {")
	for k, c := range kindColours {
		fmt.Fprintf(&b, "%q:%q,", timeline.Kind(k), c)
	}
	b.WriteString("};\n")
	return b.String()
}

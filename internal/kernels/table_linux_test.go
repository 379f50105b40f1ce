//go:build kernels

package kernels

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// A row is what a kernel did, for docs/kernels.md.
type row struct {
	release, doctor, rates, calls, tests string
}

func (r row) String() string {
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", r.release, r.doctor, r.rates, r.calls, r.tests)
}

// rowOf counts top-level tests, and names those that failed, and programs that failed without one.
func rowOf(arch string, v verdict) row {
	passed, skipped := 0, 0
	var failed []string
	for i, r := range v.tests {
		named := i > 0 && len(failed) > 0 && v.tests[i-1].program == r.program
		switch top := !strings.Contains(r.name, "/"); {
		case !top, strings.HasPrefix(r.name, "(") && named:
		case r.outcome == "FAIL":
			failed = append(failed, r.name)
		case r.outcome == "PASS":
			passed++
		default:
			skipped++
		}
	}
	tests := fmt.Sprintf("%d passed, %d skipped", passed, skipped)
	if failed != nil {
		tests += "; failed: " + strings.Join(failed, ", ")
	}
	if !v.off {
		tests += "; did not end: " + v.panicky
	}
	return row{release: v.release + " " + arch, doctor: v.lines["doctor"], tests: tests,
		rates: v.lines["spin"] + ", " + v.lines["server"], calls: v.lines["calls"]}
}

const (
	tableBegins = "| kernel | "
	tableRule   = "| --- | --- | --- | --- | --- |"
)

// rewrite puts the rows into the page's table: in place of the rows of the same kernels and architectures, or behind them.
func rewrite(page string, rows []row) error {
	src, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	out, err := withRows(string(src), rows)
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(out), 0o644)
}

func withRows(page string, rows []row) (string, error) {
	lines := strings.Split(page, "\n")
	from := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, tableBegins) })
	if from < 0 || from+1 == len(lines) || lines[from+1] != tableRule {
		return "", fmt.Errorf("no table begins with %q", tableBegins)
	}
	from += 2
	to := from
	for to < len(lines) && strings.HasPrefix(lines[to], "|") {
		to++
	}
	table := slices.Clone(lines[from:to])
	for _, r := range rows {
		same := func(l string) bool { return kernelOf(l) == kernelOf(r.String()) }
		if i := slices.IndexFunc(table, same); i >= 0 {
			table[i] = r.String()
		} else {
			table = append(table, r.String())
		}
	}
	return strings.Join(slices.Concat(lines[:from], table, lines[to:]), "\n"), nil
}

// kernelOf is a row's series and architecture: "6.1 amd64" of "| 6.1.0-50-cloud-amd64 amd64 | ...".
func kernelOf(line string) string {
	f := strings.Fields(line)
	if len(f) < 3 {
		return ""
	}
	v := numbers(f[1])
	if len(v) < 2 {
		return ""
	}
	return fmt.Sprintf("%d.%d %s", v[0], v[1], f[2])
}

func TestWithRows(t *testing.T) {
	const head = "text\n\n| kernel | doctor | Hz | calls | tests |\n" + tableRule + "\n"
	old := "| 6.1.0-1-cloud-arm64 arm64 | old | 1 | 1 | 1 |\n"
	v := verdict{release: "6.1.0-50-cloud-arm64", off: true,
		lines: map[string]string{"doctor": "works fully", "spin": "9", "server": "8", "calls": "7"},
		tests: []result{{"a", "TestA", "PASS"}, {"a", "TestA/b", "PASS"}, {"a", "TestC", "SKIP"},
			{"a", "TestD", "FAIL"}, {"a", "TestD/e", "FAIL"}, {"a", "(whole program: 1)", "FAIL"}}}
	got, err := withRows(head+old+"\nmore", []row{rowOf("arm64", v), {release: "5.10.1-x amd64"}})
	want := head + "| 6.1.0-50-cloud-arm64 arm64 | works fully | 9, 8 | 7 | 1 passed, 1 skipped; failed: TestD |\n" +
		"| 5.10.1-x amd64 |  |  |  |  |\n\nmore"
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	if _, err := withRows("no table", nil); err == nil {
		t.Error("a page without a table passed")
	}
}

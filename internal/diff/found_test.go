package diff

import "testing"

// The verdict begins with the function to blame, where one is known, and says what came of it.
func TestVerdictNamesFunction(t *testing.T) {
	row := func(name string, abs, relative float64) Row {
		e := Estimate{Mean: 1e6}
		return Row{Name: name, Base: e, New: e, Change: Change{Abs: abs, Relative: relative}, Outcome: Regressed}
	}
	work := Column{Name: CPUTimeColumn, Unit: unitEach, Rows: []Row{row("BenchmarkWork", 27e3, 0.119), row("BenchmarkX", 1e3, 0.05)}}
	score := row("m.Score", 29.8e6, 0.315)
	calls := func(abs float64) []Caller { return []Caller{{Row: row("m.Score", abs, 0.322)}} }
	for name, tt := range map[string]struct {
		columns []Column
		want    string
	}{
		"a benchmark": {[]Column{work}, "BenchmarkWork +11.9% CPU time, and 1 more"},
		"its function": {[]Column{work, {Name: "cpu", Unit: unitWork, Rows: []Row{score}}},
			"m.Score +31.5% cpu (BenchmarkWork +11.9% CPU time), and 1 more"},
		"one function in two tables": {[]Column{{Name: "cpu", Unit: unitWork, Rows: []Row{score}, Callers: calls(32e6)}},
			"m.Score +31.5% cpu"},
		"mostly what it calls": {[]Column{{Name: "cpu", Unit: unitWork, Rows: []Row{score, row("m.hash", 1e6, 0.1)}, Callers: calls(90e6)}},
			"m.Score with all it calls +32.2% cpu, and 1 more"},
		"another one that is less than it with what it calls": {[]Column{{Name: "cpu", Unit: unitWork,
			Rows: []Row{row("m.hash", 31e6, 0.1), score}, Callers: calls(32e6)}}, "m.Score +31.5% cpu, and 1 more"},
		"a total": {[]Column{{Name: "cpu", Unit: unitOp, Rows: []Row{score}, Total: row(totalName, 30e6, 0.1)}},
			"m.Score +31.5% cpu (total +10.0% cpu)"},
		"a total alone": {[]Column{{Name: "cpu", Unit: unitOp, Total: row(totalName, 30e6, 0.1)}}, "total +10.0% cpu"},
	} {
		r := &Result{Outcome: Regressed, Columns: tt.columns}
		if got := r.Verdict(); got != "regressed: "+tt.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

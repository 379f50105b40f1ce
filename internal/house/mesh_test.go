package house

import (
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// A package is read from the top down: there is an order of its files in which each uses what those below it declare. An
// arrow is a file that uses anything that another one of its package declares; those against the best order run back up.
const (
	backArrows = 0.05 // of all arrows of a package, at most
	fewArrows  = 2    // that a package may have whatever their share: of a small one each is large
)

func TestMesh(t *testing.T) {
	all := filesByPackage(t)
	for _, p := range slices.Sorted(maps.Keys(all)) {
		m := meshOf(all[p])
		back := m.back(m.order())
		if limit := max(fewArrows, int(backArrows*float64(m.arrows()))); len(back) > limit {
			t.Errorf("%s: %d of %d arrows between files run back up, %d may:\n\t%s", p, len(back), m.arrows(), limit,
				strings.Join(back, "\n\t"))
		}
	}
}

// TestMeshIsFound has three files, and an arrow from the lowest to the highest.
func TestMeshIsFound(t *testing.T) {
	m := meshOf(map[string][]byte{
		"top.go":    []byte("package p\nfunc Top() { middle(); low{}.get() }\nconst name = 1"),
		"middle.go": []byte("package p\nimport \"fmt\"\nfunc middle() { fmt.Println(low{}.value) }"),
		"low.go":    []byte("package p\ntype low struct{ value int }\nfunc (l low) get() int { return name }"),
	})
	back := m.back(m.order())
	if want := []string{"low.go -> top.go (name)"}; m.arrows() != 4 || !slices.Equal(back, want) {
		t.Errorf("%d arrows, back up %q, want 4 and %q", m.arrows(), back, want)
	}
}

// filesByPackage are the sources of each package as it is built on linux, generated ones left out: nobody arranges those.
func filesByPackage(t *testing.T) map[string]map[string][]byte {
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, ctx.CgoEnabled = "linux", "amd64", true
	all := make(map[string]map[string][]byte)
	sources(t, func(file string, src []byte) {
		dir, name := path.Split(file)
		if ok, err := ctx.MatchFile("../../"+dir, name); err != nil || !ok || strings.HasPrefix(string(src), generated) {
			return
		}
		if all[dir] == nil {
			all[dir] = make(map[string][]byte)
		}
		all[dir][name] = src
	})
	return all
}

// mesh is the arrows between the files of a package: by who uses and what is used, some of the names.
type mesh struct {
	files []string
	uses  map[[2]int][]string
}

func meshOf(sources map[string][]byte) *mesh {
	m := &mesh{files: slices.Sorted(maps.Keys(sources)), uses: make(map[[2]int][]string)}
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range m.files {
		f, err := parser.ParseFile(fset, name, sources[name], parser.SkipObjectResolution)
		if err == nil {
			parsed = append(parsed, f)
		}
	}
	// What other packages declare does not matter here, and is not read: types of theirs are unknown, and no arrows.
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	conf := types.Config{Importer: nowhere{}, Error: func(error) {}, FakeImportC: true}
	pkg, _ := conf.Check("p", fset, parsed, info)
	number := func(at token.Pos) int { return slices.Index(m.files, fset.File(at).Name()) }
	for id, used := range info.Uses {
		if used.Pkg() != pkg || !used.Pos().IsValid() {
			continue
		}
		if from, to := number(id.Pos()), number(used.Pos()); from != to && !slices.Contains(m.uses[[2]int{from, to}], used.Name()) {
			m.uses[[2]int{from, to}] = append(m.uses[[2]int{from, to}], used.Name())
		}
	}
	return m
}

// nowhere imports nothing.
type nowhere struct{}

func (nowhere) Import(string) (*types.Package, error) { return nil, errors.New("not read") }

func (m *mesh) arrows() int { return len(m.uses) }

// order is an order of the files, the top one first, against which few arrows run: the best of some that local moves find.
func (m *mesh) order() (best []int) {
	for _, start := range []int{0, len(m.files) / 2} {
		if order := m.improve(m.depthFirst(start)); best == nil || m.cost(order) < m.cost(best) {
			best = order
		}
	}
	return best
}

// depthFirst puts files above those that they use, as far as following the arrows from one of them on does so.
func (m *mesh) depthFirst(start int) (order []int) {
	seen := make([]bool, len(m.files))
	var visit func(f int)
	visit = func(f int) {
		if seen[f] {
			return
		}
		seen[f] = true
		for to := range m.files {
			if m.uses[[2]int{f, to}] != nil {
				visit(to)
			}
		}
		order = append(order, f)
	}
	for i := range m.files {
		visit((start + i) % len(m.files))
	}
	slices.Reverse(order)
	return order
}

// improve puts each file, alone or with those behind it, where fewest arrows run back up, until that changes nothing.
func (m *mesh) improve(order []int) []int {
	for better := true; better; {
		better = false
		for f := range m.files {
			for _, block := range []int{1, 2, 3} {
				better = m.move(order, f, block) || better
			}
		}
	}
	return order
}

// move puts a file, with those that follow it in a block, where fewest arrows run back up. It says whether that changed them.
func (m *mesh) move(order []int, f, block int) bool {
	at := slices.Index(order, f)
	if at+block > len(order) {
		return false
	}
	moved := slices.Clone(order[at : at+block])
	rest := slices.Delete(slices.Clone(order), at, at+block)
	best, least := order, m.cost(order)
	for to := range len(rest) + 1 {
		if try := slices.Insert(slices.Clone(rest), to, moved...); m.cost(try) < least {
			best, least = try, m.cost(try)
		}
	}
	changed := !slices.Equal(order, best)
	copy(order, best)
	return changed
}

// cost is how many arrows run back up in an order.
func (m *mesh) cost(order []int) (n int) {
	place := make([]int, len(order))
	for i, f := range order {
		place[f] = i
	}
	for a := range m.uses {
		if place[a[0]] > place[a[1]] {
			n++
		}
	}
	return n
}

// back lists the arrows that run back up in an order.
func (m *mesh) back(order []int) (list []string) {
	for a, names := range m.uses {
		if slices.Index(order, a[0]) > slices.Index(order, a[1]) {
			slices.Sort(names)
			list = append(list, fmt.Sprintf("%s -> %s (%s)", m.files[a[0]], m.files[a[1]], strings.Join(names[:min(len(names), 6)], ", ")))
		}
	}
	slices.Sort(list)
	return list
}

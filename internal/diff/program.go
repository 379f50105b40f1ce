package diff

import "strings"

// leastOverlap is the overlap of two sides below which they are different programs.
const leastOverlap = 0.05

// overlap is how many of their own functions the sides have in common, by the smaller number of them: a program that changed
// keeps most of its functions.
func (c *comparison) overlap() float64 {
	var own [2]map[string]bool
	for s, profiles := range c.sides {
		own[s] = make(map[string]bool)
		for _, p := range profiles {
			for _, name := range p.rows {
				if name, _, _ = strings.Cut(name, " "); ofProgram(name) {
					own[s][name] = true
				}
			}
		}
	}
	least := min(len(own[older]), len(own[newer]))
	if least < 3 {
		return 1 // too few to tell
	}
	common := 0
	for name := range own[older] {
		if own[newer][name] {
			common++
		}
	}
	return float64(common) / float64(least)
}

// ofProgram says whether a function tells one program from another: it is of the program or of a module that it uses. Their import
// paths begin with a host name, those of the standard library do not.
func ofProgram(name string) bool {
	first, _, _ := strings.Cut(packageOf(name), "/")
	return !ofEveryProgram(name) && (first == "main" || strings.Contains(first, ".") && first != packageOf(name))
}

// ofEveryProgram says whether a function is one that all programs have, whatever they do: where they begin, and what the standard
// library has in its vendor folder (src/vendor/modules.txt), which FuncName has dropped from the name.
func ofEveryProgram(name string) bool {
	switch strings.TrimSuffix(name, ".func") {
	case "main.main", "main.init":
		return true
	}
	for _, module := range []string{"crypto", "net", "sys", "text"} {
		if strings.HasPrefix(name, "golang.org/x/"+module+"/") {
			return true
		}
	}
	return false
}

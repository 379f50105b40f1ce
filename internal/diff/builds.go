package diff

// Where the linker puts a function makes it faster or slower, by several percent in a tight loop, and all runs of one build have that in
// common (Mytkowicz et al. 2009; Curtsinger and Berger 2013). So where the runs of a side are of several builds, as bench makes them
// with -randlayout, it is builds that are independent, and not runs: ten runs each of four builds are four observations of what
// a layout does. The variance of a mean is then that of sums over the runs of a build (Liang and Zeger 1986, for clusters),
// with as many degrees of freedom as there are builds, less one. Of a single build nothing says what another layout would do.

// builds numbers the builds that profiles are of; nil if all are of one, each is of one of its own, or that is not known.
func builds(profiles []*Profile) []int {
	ids := make([]string, len(profiles))
	for i, p := range profiles {
		if ids[i] = p.facts.buildID; ids[i] == "" {
			return nil
		}
	}
	return grouped(ids)
}

// buildsOfPairs are the builds of pairs of runs: those of one have both builds in common.
func buildsOfPairs(all [][2]int, sides [2][]*Profile) []int {
	both := make([][2]int, len(all))
	for s, profiles := range sides {
		of := builds(profiles)
		for i, p := range all {
			if of != nil {
				both[i][s] = of[p[s]]
			}
		}
	}
	return grouped(both)
}

// grouped numbers the groups of equal keys; nil if all are in one, or each is in one of its own.
func grouped[K comparable](keys []K) []int {
	number := make(map[K]int)
	of := make([]int, len(keys))
	for i, key := range keys {
		n, ok := number[key]
		if !ok {
			n = len(number)
			number[key] = n
		}
		of[i] = n
	}
	if len(number) < 2 || len(number) == len(of) {
		return nil
	}
	return of
}

// independent is how many of n observations are: the groups that they are in, if there are some.
func independent(n int, of []int) int {
	if of == nil {
		return n
	}
	most := 0
	for _, g := range of {
		most = max(most, g)
	}
	return most + 1
}

// squares is the sum of the squares of deviations from a mean, those of a group added up.
func squares(deviations []float64, of []int) (sum float64) {
	if of != nil {
		groups := make([]float64, independent(len(of), of))
		for i, d := range deviations {
			groups[of[i]] += d
		}
		deviations = groups
	}
	for _, d := range deviations {
		sum += d * d
	}
	return sum
}

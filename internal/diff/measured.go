package diff

import "math"

// measured is a mean, with a variance of its own and one that it has in common with all rows of its side, ns.
type measured struct {
	mean, own, common float64
	ownDF, commonDF   float64
}

func (m measured) plus(o measured) measured {
	return measured{own: m.own + o.own, common: m.common + o.common, ownDF: min(m.ownDF, o.ownDF), commonDF: min(m.commonDF, o.commonDF)}
}

func (m measured) se() float64 { return math.Sqrt(max(m.own+m.common, 1e-300)) }

// df are Welch's and Satterthwaite's degrees of freedom of a sum of two estimated variances.
func (m measured) df() float64 {
	if m.common <= 0 {
		return m.ownDF
	}
	sum := m.own + m.common
	return sum * sum / (m.own*m.own/m.ownDF + m.common*m.common/m.commonDF)
}

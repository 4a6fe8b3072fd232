package scalar

// families are the parts of the library.
func families() [][]*Func {
	return [][]*Func{
		arithmetic(), comparisons(), logic(), matching(), membership(), conversions(),
		stringFunctions(), regexFunctions(), datetimeFunctions(), formatting(), mathFunctions(), binning(),
		arrayFunctions(), bagFunctions(), setFunctions(), seriesFunctions(),
		encoding(), parsers(), ipFunctions(), random(),
	}
}

package scalar

import (
	"slices"
	"strings"
)

// Missing tells whether Kusto has a function of this name that Slipway does not have, so that a query which uses it can be told apart from
// one with a slip of the pen.
func Missing(name string) bool {
	for _, family := range []string{"geo_", "convert_", "punycode_", "current_", "cursor_", "zlib_", "node_"} {
		if strings.HasPrefix(name, family) {
			return true
		}
	}
	return slices.Contains(strings.Fields(missing), name)
}

// missing are the functions and aggregates, without those of the families above.
const missing = `
	all any map inner_nodes labels graph cluster database table external_table materialized_view entity_group stored_query_result
	assert base64_encode_fromarray base64_encode_fromguid beta_cdf beta_inv beta_pdf bin_auto column_names_of datetime_list_timezones
	estimate_data_size extent_id extent_tags extentid row_id rowstore_ordinal_range gzip_compress_to_base64_string hash_combine hash_many
	ipv4_range_to_cidr_list iscolumnexists parse_user_agent parse_xml row_rank row_window_session welch_test
	series_cosine_similarity series_decompose series_decompose_anomalies series_decompose_forecast series_fft series_fir series_fit_2lines
	series_fit_2lines_dynamic series_fit_line series_fit_line_dynamic series_fit_poly series_ifft series_iir series_outliers
	series_periods_detect series_periods_validate series_seasonal
	dcount_hll hll hll_if hll_isvalid hll_merge merge_tdigest percentile_tdigest percentiles_array_tdigest percentrank_tdigest rank_tdigest
	tdigest tdigest_isvalid tdigest_merge
	argmax argmin cnt binary_all_and binary_all_or binary_all_xor buildschema covariance covarianceif covariancep covariancepif make_dictionary passthrough`

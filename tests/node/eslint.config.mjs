// What the portal's scripts are held to. They run in the browser as they are, without a build step.
import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2022, sourceType: "script", globals: { ...globals.browser } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      complexity: ["error", 8],
      "consistent-return": "error",
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-depth": ["error", 3],
      "max-len": ["error", { code: 120 }],
      "max-lines-per-function": ["error", { max: 40, IIFEs: false }],
      "no-console": "error",
      "no-eval": "error",
      "no-implicit-globals": "error",
      "no-implied-eval": "error",
      "no-param-reassign": "error",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Text from elsewhere would become markup." },
        { property: "outerHTML", message: "Text from elsewhere would become markup." },
        { property: "insertAdjacentHTML", message: "Text from elsewhere would become markup." },
        { property: "localStorage", message: "Nothing of a page may outlive it." },
        { property: "sessionStorage", message: "Nothing of a page may outlive it." },
      ],
      "no-restricted-globals": ["error", "localStorage", "sessionStorage"],
      "no-shadow": "error",
      "no-unused-vars": "error",
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
      strict: ["error", "function"],
    },
  },
];

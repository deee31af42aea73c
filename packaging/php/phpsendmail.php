<?php
/*
 * Passes details of the web request to the sendmail wrapper phpsendmail, for PHP before 5.3. The line
 * `auto_prepend_file` in php.ini makes it run before every script.
 *
 * Takes $_SERVER. Gives the four environment variables that the wrapper logs, set from this request, or empty,
 * because one process serves many requests. Does nothing on the command line, or if putenv is disabled. It prints
 * nothing, changes no variable of the script, and leaves one function defined. It runs on PHP 4.1 and later. A
 * script can set these variables itself before it sends mail.
 */
if (!function_exists('spam_check_phpsendmail')) {
    function spam_check_phpsendmail()
    {
        if (php_sapi_name() == 'cli' || !function_exists('putenv')) {
            return;
        }
        foreach (array('HTTP_HOST', 'REQUEST_URI', 'REMOTE_ADDR', 'SCRIPT_FILENAME') as $name) {
            $value = isset($_SERVER[$name]) && is_string($_SERVER[$name]) ? $_SERVER[$name] : '';
            // An environment variable ends at a NUL byte. Safe mode warns if it does not allow the name.
            @putenv($name . '=' . str_replace("\0", '', $value));
        }
    }
    spam_check_phpsendmail();
}

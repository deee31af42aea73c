<?php
/*
 * Hands what the web server says of a request to the sendmail wrapper phpsendmail, for PHP before 5.3:
 * it comes before every script by the line `auto_prepend_file` of php.ini.
 *
 * Takes: $_SERVER. Gives: the four variables of the environment that the wrapper logs, set to what this request
 * says or to nothing, because a process serves one request after the other. Does nothing on the command line and
 * where putenv is disabled. It prints nothing, changes no variable of the script, and leaves one function behind.
 * It runs from PHP 4.1 on. A script can set these variables itself, before it sends.
 */
if (!function_exists('spam_check_phpsendmail')) {
    function spam_check_phpsendmail()
    {
        if (php_sapi_name() == 'cli' || !function_exists('putenv')) {
            return;
        }
        foreach (array('HTTP_HOST', 'REQUEST_URI', 'REMOTE_ADDR', 'SCRIPT_FILENAME') as $name) {
            $value = isset($_SERVER[$name]) && is_string($_SERVER[$name]) ? $_SERVER[$name] : '';
            // A variable of the environment ends at a NUL. Safe mode warns where it forbids the name.
            @putenv($name . '=' . str_replace("\0", '', $value));
        }
    }
    spam_check_phpsendmail();
}
